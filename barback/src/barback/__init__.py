"""Background jobs for Python that speak BullMQ.

from barback import Context, Payload, job

class Greet(Payload, frozen=True):
    name: str

@job("greet", queue="greetings", attempts=3)
async def greet(payload: Greet, ctx: Context[None]) -> str:
    return f"Hello, {payload.name}"
"""

from barback.answers import Answer, Created, Swallowed
from barback.app import App, Development, no_services
from barback.broker import QueueLimits
from barback.connect import connect
from barback.cron import Timing
from barback.errors import (
    BarbackError,
    BrokerError,
    BrokerUnavailable,
    BrokerUnfit,
    InvalidOptions,
    InvalidPayload,
    ProcessDied,
    RetryLater,
    SettingsError,
    UnknownJob,
    Unrecoverable,
)
from barback.finding import Finding
from barback.job import Context, Job, job
from barback.masking import Secret
from barback.options import Deduplication, Retention
from barback.payload import NoPayload, Payload
from barback.payload_limits import PayloadLimits
from barback.producer import Flow, Producer, flow
from barback.retry import Custom, Exponential, Fixed
from barback.schedule import Schedule
from barback.worker import Worker
from barback.worker_options import WorkerOptions, WorkerReport

__all__ = [
    "Answer",
    "App",
    "BarbackError",
    "BrokerError",
    "BrokerUnavailable",
    "BrokerUnfit",
    "Context",
    "Created",
    "Custom",
    "Deduplication",
    "Development",
    "Exponential",
    "Finding",
    "Fixed",
    "Flow",
    "InvalidOptions",
    "InvalidPayload",
    "Job",
    "NoPayload",
    "Payload",
    "PayloadLimits",
    "ProcessDied",
    "Producer",
    "QueueLimits",
    "Retention",
    "RetryLater",
    "Schedule",
    "Secret",
    "SettingsError",
    "Swallowed",
    "Timing",
    "UnknownJob",
    "Unrecoverable",
    "Worker",
    "WorkerOptions",
    "WorkerReport",
    "connect",
    "flow",
    "job",
    "no_services",
]
