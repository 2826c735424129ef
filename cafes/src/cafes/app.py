"""The service: its jobs, when they run by themselves, and what they are given."""

from barback import App, Development, Schedule
from cafes import jobs
from cafes.checks import check_api, check_database, check_keys
from cafes.development import prepare
from cafes.jobs.update_cafe_stats import update_cafe_stats
from cafes.services import open_services
from cafes.settings import KINDS

app = App(
    name="cafes",
    jobs=jobs,
    services=open_services,
    settings=KINDS,
    checks=(check_database, check_api, check_keys),
    schedules=(Schedule("update-cafe-stats-daily", update_cafe_stats, "0 3 * * *", tz="Europe/Berlin"),),
    development=Development(
        postgres_url="DATABASE_URL",
        instead=("NEXT_PUBLIC_SUPABASE_URL", "SUPABASE_SERVICE_ROLE_KEY"),
        prepare=prepare,
    ),
)
