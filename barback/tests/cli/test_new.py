"""`barback new job`: what it writes can be run as it is; what it would overwrite or cannot write it refuses."""

import shutil
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from barback.cli.new_job import NewJob, Services, job_text

Call = Callable[..., Any]

ROOT = Path(__file__).parents[3]
RULES = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["ruff"]["lint"]
JOB, TEST = Path("src/shop/jobs/send_receipt.py"), Path("tests/test_send_receipt.py")
LONG = "tell-everybody-that-the-kitchen-is-open"


def give_services(project: Path) -> None:
    """To the jobs of the app, as most have it."""
    (project / "src/shop/services.py").write_text("class Services: ...\n")
    greet = project / "src/shop/jobs/greet.py"
    text = greet.read_text().replace("Context[None]", "Context[Services]")
    greet.write_text(f"from shop.services import Services\n{text}")


def run(project: Path, *command: str) -> None:
    """A program of our environment, which must have nothing against the project."""
    environment = {"PYTHONPATH": str(project / "src"), "PATH": "/usr/bin:/bin", "HOME": str(project)}
    done = subprocess.run(
        [sys.executable, "-m", *command], cwd=project, env=environment, capture_output=True, text=True, check=False
    )
    assert done.returncode == 0, done.stdout + done.stderr


def run_ruff(project: Path, *files: Path, width: int = 88) -> None:
    """By its own measure of lines, and by our rules."""
    names = [str(file) for file in files]
    run(project, "ruff", "format", "--isolated", f"--line-length={width}", "--diff", *names)
    rules = [f"--{what}={','.join(RULES[what])}" for what in ("select", "ignore")]
    options = [f"--line-length={max(width, 100)}", "--per-file-ignores=tests/*:S"]
    run(project, "ruff", "check", "--isolated", *rules, *options, *names)


@pytest.mark.parametrize(("name", "services"), [("send-receipt", True), (LONG, False)], ids=["short", "long"])
def test_it_writes_a_job_and_a_test_that_passes(call: Call, project: Path, name: str, services: bool) -> None:
    """P30."""
    if services:
        give_services(project)
    module = name.replace("-", "_")
    job, test = JOB.with_name(f"{module}.py"), TEST.with_name(f"test_{module}.py")
    result = call("new", "job", name)
    assert (result.code, result.out) == (0, f"written: {job}\nwritten: {test}\n")
    run_ruff(project, job, test)
    run_ruff(project, job, test, width=120)
    run(project, "pytest", "-q", "-p", "no:cacheprovider", str(test))


@pytest.mark.slow
def test_what_it_writes_passes_pyright_strict(call: Call, project: Path) -> None:
    """P30."""
    give_services(project)
    for name in ("send-receipt", LONG):
        assert call("new", "job", name).code == 0
    (project / "pyrightconfig.json").write_text(
        '{"include": ["src/shop/jobs/send_receipt.py", "tests"], "extraPaths": ["src"], "typeCheckingMode": "strict"}'
    )
    run(project, "pyright", f"--pythonpath={sys.executable}")


@pytest.mark.slow
def test_it_works_in_a_project_laid_out_like_cafes(call: Call, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """P30. A workspace, tests in a folder for jobs, an app of many lines."""
    copied = tmp_path / "copied"
    for name in ("cafes/src", "cafes/tests/jobs"):
        shutil.copytree(ROOT / name, copied / name, ignore=shutil.ignore_patterns("__pycache__"))
    shutil.copy(ROOT / "pyproject.toml", copied)
    monkeypatch.chdir(copied)
    environment = {"PYTHONPATH": f"{copied}/cafes/src", "PATH": "/usr/bin:/bin", "HOME": str(copied)}
    command = [sys.executable, "-m", "barback.cli", "new", "job", "send-receipt", "--schedule", "0 9 * * *"]
    done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (
        0,
        "written: cafes/src/cafes/jobs/send_receipt.py\n"
        "written: cafes/tests/jobs/test_send_receipt.py\n"
        "scheduled: cafes/src/cafes/app.py: "
        'Schedule("send-receipt", send_receipt, "0 9 * * *", tz="Europe/Berlin")\n',
    )
    job, test = Path("src/cafes/jobs/send_receipt.py"), Path("tests/jobs/test_send_receipt.py")
    run_ruff(copied / "cafes", job, test, width=120)
    run(copied / "cafes", "ruff", "format", "--isolated", "--line-length=120", "--diff", "src/cafes/app.py")
    run(copied / "cafes", "pytest", "-q", "-p", "no:cacheprovider", "--import-mode=importlib", str(test))


def test_beside_barback_in_one_workspace_its_imports_are_the_projects_own() -> None:
    """P30."""
    made = NewJob("send-receipt", "mail", "shop.jobs", Services("shop.services", "Services"), in_workspace=True)
    assert "from barback import Context, Payload, job\nfrom shop.services import Services\n" in job_text(made)


def test_a_schedule_is_put_into_the_app(call: Call, project: Path) -> None:
    """P30."""
    result = call("new", "job", "send-receipt", "--schedule", "0 9 * * *")
    line = 'Schedule("send-receipt", send_receipt, "0 9 * * *", tz="Europe/Berlin")'
    assert result.out.endswith(f"scheduled: src/shop/app.py: {line}\n")
    text = (project / "src/shop/app.py").read_text()
    assert '    schedules=(\n        Schedule("nightly", greet, ' in text
    assert f"\n        {line},\n    ),\n" in text
    assert call("typescript").code == 0, "the app loads"


def test_where_a_schedule_cannot_be_put_safely_its_line_is_printed(call: Call, project: Path) -> None:
    """P30."""
    app = project / "src/shop/app.py"
    app.write_text(app.read_text().replace("app = App(", "made = dict(").replace("\n)\n", "\n)\napp = App(**made)\n"))
    before = app.read_text()
    result = call("new", "job", "send-receipt", "--schedule", "0 9 * * *", "--tz", "UTC")
    assert result.code == 0
    assert app.read_text() == before
    assert "could not be put into shop.app safely. Add to it:" in result.out
    assert 'App(schedules=(…, Schedule("send-receipt", send_receipt, "0 9 * * *", tz="UTC"),))' in result.out


def test_the_first_job_of_an_app_has_a_queue_of_its_own(call: Call, project: Path) -> None:
    """P30."""
    (project / "src/shop/jobs/greet.py").unlink()
    (project / "src/shop/app.py").write_text(
        "from barback import App, no_services\n\nfrom shop import jobs\n\napp = App(jobs=jobs, services=no_services)\n"
    )
    assert "`barback new job send-receipt` writes the first one." in call("typescript").err
    result = call("new", "job", "send-receipt", "--schedule", "*/5 * * * *")
    assert result.code == 0
    assert 'queue="send-receipt"' in (project / JOB).read_text()
    run_ruff(project, Path("src/shop/app.py"), JOB, TEST)
    assert call("typescript").code == 0


@pytest.mark.parametrize(("given", "queue"), [((), "greetings"), (("--queue", "mail"), "mail")], ids=["usual", "given"])
def test_its_queue_is_the_only_one_or_the_one_that_is_given(
    call: Call, project: Path, given: tuple[str, ...], queue: str
) -> None:
    """P30."""
    assert call("new", "job", "send-receipt", *given).code == 0
    assert f'@job("send-receipt", queue="{queue}", ' in (project / JOB).read_text()


@pytest.mark.parametrize("there", [JOB, TEST], ids=["job", "test"])
def test_it_overwrites_nothing(call: Call, project: Path, there: Path) -> None:
    """P30."""
    (project / there).parent.mkdir(exist_ok=True)
    (project / there).write_text("# mine\n")
    result = call("new", "job", "send-receipt")
    assert (result.code, result.err) == (2, f"barback: {there} is there already, and nothing was written.\n")
    assert (project / there).read_text() == "# mine\n"
    assert [path.exists() for path in (project / JOB, project / TEST)].count(True) == 1


@pytest.mark.parametrize(
    ("arguments", "said"),
    [
        (["Send-Receipt"], "Job name 'Send-Receipt': expected small letters, digits and '-' between words"),
        (["../up"], "Job name '../up': expected small letters"),
        (["a" * 41], "and 40 characters at most."),
        (["import"], "Job name 'import': 'import' means something else in Python."),
        (["print"], "Job name 'print': 'print' means something else in Python."),
        (["job"], "Job name 'job': 'job' means something else in Python."),
        (["greet"], "Job name 'greet': shop.jobs.greet.greet has it already."),
        (["mail", "--queue", "a:b"], "Queue name 'a:b' cannot be used"),
        (["mail", "--schedule", "0 25 * * *"], "pattern '0 25 * * *' cannot be used"),
        (["mail", "--schedule", "0 9 * * *", "--tz", "Mars"], "zone 'Mars' is not known."),
        (["nightly", "--schedule", "0 9 * * *"], "--schedule: the app has a schedule 'nightly' already."),
        (["mail", "--tz", "UTC"], '--tz is the zone of a schedule: give --schedule "0 9 * * *" too.'),
    ],
    ids=["capitals", "path", "long", "keyword", "builtin", "taken", "known", "queue", "cron", "zone", "twice", "tz"],
)
def test_what_cannot_be_is_one_message_and_nothing_is_written(
    call: Call, project: Path, arguments: list[str], said: str
) -> None:
    """P30."""
    before = sorted(project.rglob("*.py"))
    result = call("new", "job", *arguments)
    assert result.code == 2
    assert said in result.err
    assert result.err.count("\n") == 1
    assert sorted(project.rglob("*.py")) == before
