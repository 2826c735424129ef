"""One module a noun: it reads what is asked, asks `control`, and answers with a page. See docs/dashboard.md."""

from barback.dashboard.pages import NavItem
from barback.dashboard.routes import audit, events, job, jobs, overview, queues, schedules, workers

NAV = (
    NavItem("overview", "Queues", "queues"),
    NavItem("schedules", "Schedules", "clock"),
    NavItem("workers", "Workers", "worker"),
    NavItem("audit", "Audit log", "audit"),
)
ROUTES = (
    *overview.routes,
    *jobs.routes,
    *job.routes,
    *queues.routes,
    *schedules.routes,
    *workers.routes,
    *audit.routes,
    *events.routes,
)
