"""Finding the jobs of an app."""

import importlib
import sys
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType

import pytest

from barback import registry as registry_room
from barback.errors import DeclarationError, UnknownJob, UnknownQueue, UsageError
from barback.job import Context, job
from barback.payload import NoPayload
from barback.registry import Registry, find_jobs

JOB_FILE = """
from barback import Context, NoPayload, job

@job("{name}", queue="{queue}")
async def handler(payload: NoPayload, ctx: Context[None]) -> None: ...
"""


@job("process-cafe", queue="cafe-processing")
async def process_cafe(payload: NoPayload, ctx: Context[None]) -> None: ...


@job("update-cafe-stats", queue="cron-jobs")
async def update_cafe_stats(payload: NoPayload, ctx: Context[None]) -> None: ...


REGISTRY = Registry([process_cafe, update_cafe_stats])

MakePackage = Callable[[dict[str, str]], ModuleType]


@pytest.fixture
def make_package(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[MakePackage]:
    """Write files into a package of their own and import it."""
    name = "package_of_jobs"
    monkeypatch.setattr(sys, "path", [str(tmp_path), *sys.path])

    def make(files: dict[str, str]) -> ModuleType:
        for path, text in ({"__init__.py": ""} | files).items():
            file = tmp_path / name / path
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(text)
        importlib.invalidate_caches()
        return importlib.import_module(name)

    yield make
    for module in [module for module in sys.modules if module.partition(".")[0] == name]:
        del sys.modules[module]


def test_a_job_is_found_by_its_name() -> None:
    assert REGISTRY.find("process-cafe") is process_cafe
    assert REGISTRY.find("process-cafe", "cafe-processing") is process_cafe
    assert REGISTRY.jobs == (process_cafe, update_cafe_stats)


def test_an_unknown_job_is_named_with_the_one_that_was_meant() -> None:
    """P11."""
    with pytest.raises(UnknownJob, match=r"No job named 'proces-cafe' is registered\. Did you mean 'process-cafe'\?"):
        REGISTRY.find("proces-cafe")


def test_a_job_of_another_queue_is_unknown_in_this_one() -> None:
    """P11."""
    with pytest.raises(UnknownJob, match=r"in queue 'cron-jobs'\. Known: update-cafe-stats\."):
        REGISTRY.find("process-cafe", "cron-jobs")


def test_queues_are_those_of_the_jobs_each_once() -> None:
    @job("third", queue="cafe-processing")
    async def third(payload: NoPayload, ctx: Context[None]) -> None: ...

    assert Registry([process_cafe, update_cafe_stats, third]).queues == ("cafe-processing", "cron-jobs")


def test_an_unknown_queue_is_named_with_the_one_that_was_meant() -> None:
    assert REGISTRY.check_queue("cron-jobs") == "cron-jobs"
    with pytest.raises(UnknownQueue, match=r"No queue named 'cronjobs'\. Did you mean 'cron-jobs'\?"):
        REGISTRY.check_queue("cronjobs")


def test_two_jobs_of_one_name_are_refused_and_both_are_shown() -> None:
    @job("process-cafe", queue="elsewhere")
    async def impostor(payload: NoPayload, ctx: Context[None]) -> None: ...

    with pytest.raises(DeclarationError) as refusal:
        Registry([process_cafe, impostor])
    message = str(refusal.value)
    assert message.startswith("Two jobs are named 'process-cafe': ")
    assert ".process_cafe and " in message
    assert message.endswith("impostor. Names, former ones too, are unique in an app.")


def test_one_job_twice_is_one_job() -> None:
    assert Registry([process_cafe, process_cafe]).jobs == (process_cafe,)


def test_every_module_of_a_package_is_searched_in_the_order_of_their_names(make_package: MakePackage) -> None:
    package = make_package(
        {
            "b.py": JOB_FILE.format(name="second", queue="q"),
            "a.py": JOB_FILE.format(name="first", queue="q"),
            "deep/__init__.py": "",
            "deep/c.py": JOB_FILE.format(name="third", queue="q"),
            "no_jobs.py": "VALUE = 1",
        }
    )
    assert [found.name for found in find_jobs(package)] == ["first", "second", "third"]


def test_a_job_that_is_imported_elsewhere_in_the_package_is_one_job(make_package: MakePackage) -> None:
    package = make_package(
        {
            "__init__.py": "from package_of_jobs.a import handler",
            "a.py": JOB_FILE.format(name="first", queue="q"),
            "b.py": "from package_of_jobs.a import handler as other",
        }
    )
    assert len(find_jobs(package)) == 1


def test_a_module_that_cannot_be_imported_is_not_passed_over(make_package: MakePackage) -> None:
    package = make_package({"a.py": JOB_FILE.format(name="first", queue="q"), "b.py": "import no_such_module_at_all"})
    with pytest.raises(ModuleNotFoundError, match="no_such_module_at_all"):
        find_jobs(package)


def test_a_package_without_jobs_is_refused(make_package: MakePackage) -> None:
    package = make_package({"a.py": "VALUE = 1"})
    with pytest.raises(DeclarationError, match="no job is declared in package 'package_of_jobs'"):
        find_jobs(package)


def test_a_folder_in_which_nobody_would_look_is_told_of(make_package: MakePackage) -> None:
    job_file = JOB_FILE.format(name="first", queue="q")
    package = make_package({"__init__.py": "", "a.py": job_file, "mail/b.py": job_file})
    with pytest.raises(DeclarationError, match=r"package_of_jobs/mail has no __init__\.py, so the jobs in it are not"):
        find_jobs(package)


def test_a_module_is_no_package() -> None:
    with pytest.raises(DeclarationError, match=r"'barback\.registry' is a module; expected the package that holds"):
        find_jobs(registry_room)


# ── former names, external jobs ─────────────────────────────────────────────────────────────────────────


@job("send-receipt", queue="mail", former_names=("send-bill", "bill"))
async def send_receipt(payload: NoPayload, ctx: Context[None]) -> None: ...


@job("print-receipt", queue="printer", external=True)
async def print_receipt(payload: NoPayload, ctx: Context[None]) -> None: ...


def test_a_job_is_found_by_the_names_it_had_before_and_is_one_job() -> None:
    """P29."""
    registry = Registry([send_receipt, process_cafe])
    assert registry.find("send-bill", "mail") is registry.find("send-receipt") is send_receipt
    assert registry.jobs == (send_receipt, process_cafe)
    with pytest.raises(UnknownJob, match="Did you mean 'send-receipt'"):
        registry.find("send-receip")


def test_a_former_name_is_nobody_elses() -> None:
    @job("bill", queue="mail")
    async def bill(payload: NoPayload, ctx: Context[None]) -> None: ...

    with pytest.raises(DeclarationError, match="Two jobs are named 'bill': "):
        Registry([send_receipt, bill])


def test_the_queues_of_external_jobs_are_known_and_not_worked() -> None:
    """P28."""
    registry = Registry([print_receipt, send_receipt])
    assert (registry.queues, registry.external_queues) == (("mail",), ("printer",))
    assert registry.check_queue("printer") == "printer"
    with pytest.raises(UsageError, match="Queue 'printer' is worked in TypeScript"):
        registry.check_worked_queue("printer")


def test_a_queue_is_worked_in_one_language() -> None:
    @job("print-label", queue="printer")
    async def print_label(payload: NoPayload, ctx: Context[None]) -> None: ...

    with pytest.raises(DeclarationError, match="holds 'print-receipt', which is external, and 'print-label', which is"):
        Registry([print_receipt, print_label])
