"""The ids of jobs that schedules make: `repeat:<schedule>:<milliseconds of the slot>`, as BullMQ has them. Pure."""


def slot_id(schedule_id: str, at: float) -> str:
    """The id of the job of the slot `at` (epoch seconds)."""
    return f"repeat:{schedule_id}:{round(at * 1000)}"


def slot_of(job_id: str) -> float:
    """The slot that made a job, in epoch seconds; 0.0: none did."""
    kind, _, rest = job_id.partition(":")
    number = rest.rpartition(":")[2]
    return int(number) / 1000 if kind == "repeat" and number.isascii() and number.isdigit() else 0.0
