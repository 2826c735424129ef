"""One module a noun: it reads what is asked, asks `control`, and answers with a page. See docs/dashboard.md."""

from barback.dashboard.pages import NavItem
from barback.dashboard.routes import (
    acting,
    again,
    audit,
    bulk,
    events,
    failures,
    job,
    jobs,
    overview,
    queues,
    run,
    schedules,
    workers,
)

NAV = (
    NavItem("overview", "Queues", "queues"),
    NavItem("failures", "Failures", "alert"),
    NavItem("schedules", "Schedules", "clock"),
    NavItem("workers", "Workers", "worker"),
    NavItem("run", "Run a job", "play", acts=True),
    NavItem("audit", "Audit log", "audit"),
)
ROUTES = (
    *overview.routes,
    *jobs.routes,
    *bulk.routes,
    *failures.routes,
    *job.routes,
    *acting.routes,
    *again.routes,
    *run.routes,
    *queues.routes,
    *schedules.routes,
    *workers.routes,
    *audit.routes,
    *events.routes,
)
