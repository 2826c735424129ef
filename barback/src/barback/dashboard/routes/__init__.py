"""One module a noun: it reads what is asked, asks `control`, and answers with a page. See docs/dashboard.md."""

from barback.dashboard.pages import NavItem
from barback.dashboard.routes import events, job, jobs, overview, queues

NAV = (NavItem("overview", "Queues", "queues"),)
ROUTES = (*overview.routes, *jobs.routes, *job.routes, *queues.routes, *events.routes)
