"""Schedules at work: what the app declares is put into the broker, and each slot's job is made when it is due."""
