"""All that the faces may do with queues, jobs and schedules. They never ask the broker themselves."""
