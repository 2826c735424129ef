"""The threads of plain handlers."""

from concurrent.futures import ThreadPoolExecutor

NAME = "barback-job"
MOST_LEFT_BEHIND = 1_000
"""Threads that overran their jobs' timeouts and may still be there, before new jobs wait for one to end."""


def make_threads(jobs: int) -> ThreadPoolExecutor:
    """Threads for so many jobs at a time. Each is made when it is needed, and used again.

    A thread cannot be stopped: one that does not end at its timeout is left behind, and may stay for ever. A new one
    takes its place, or so many stuck handlers would end all work of the worker.
    """
    return ThreadPoolExecutor(jobs + MOST_LEFT_BEHIND, NAME)
