"""The dashboard: a Starlette app over `control/`. Needs `barback[dashboard]`."""
