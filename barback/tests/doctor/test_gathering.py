"""What the doctor takes for the app's own names."""

from barback import App, Context, NoPayload, job, no_services
from barback.doctor.gathering import declared_names


def test_a_name_that_a_job_had_before_is_one_of_the_apps() -> None:
    @job("greet", queue="q", former_names=("hello",))
    async def greet(payload: NoPayload, ctx: Context[None]) -> None: ...

    assert declared_names(App(jobs=[greet], services=no_services)) == {"q": {"greet", "hello"}}
