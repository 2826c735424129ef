"""Where a schedule's line goes in a module, and where it had better not go by itself."""

import pytest

from barback.cli.schedule_line import placed

IMPORT = "from shop.jobs.mail import mail"
LINE = 'Schedule("mail", mail, "0 9 * * *", tz="UTC")'
HEAD = "from barback import App, no_services\nfrom shop import jobs\nfrom shop.zoo import zoo\n\n"
IMPORTED = (
    "from barback import App, Schedule, no_services\nfrom shop import jobs\n"
    "from shop.jobs.mail import mail\nfrom shop.zoo import zoo\n\n"
)


@pytest.mark.parametrize(
    ("app", "expected"),
    [
        (
            "app = App(jobs=jobs, services=no_services)\n",
            f"app = App(\n    jobs=jobs,\n    services=no_services,\n    schedules=({LINE},),\n)\n",
        ),
        ("app = App(\n    jobs=jobs,\n)\n", f"app = App(\n    jobs=jobs,\n    schedules=({LINE},),\n)\n"),
        ("app: X = App(\n    jobs=jobs,\n)\n", f"app: X = App(\n    jobs=jobs,\n    schedules=({LINE},),\n)\n"),
        (
            "app = App(\n    schedules=(one,),\n)\n",
            f"app = App(\n    schedules=(\n        one,\n        {LINE},\n    ),\n)\n",
        ),
        (
            "app = App(\n    schedules=(\n        one,  # the first\n        two,\n    ),\n)\n",
            f"app = App(\n    schedules=(\n        one,  # the first\n        two,\n        {LINE},\n    ),\n)\n",
        ),
        (
            "app = App(\n    schedules=[\n        one,\n    ],\n)\nmore = 1\n",
            f"app = App(\n    schedules=[\n        one,\n        {LINE},\n    ],\n)\nmore = 1\n",
        ),
    ],
    ids=["one line", "lines", "annotated", "tuple of one line", "tuple of lines", "list"],
)
def test_it_comes_last_of_the_schedules_and_is_imported_in_order(app: str, expected: str) -> None:
    assert placed(HEAD + app, "app", IMPORT, LINE) == IMPORTED + expected


@pytest.mark.parametrize(
    "text",
    [
        HEAD + "app = make_app()\n",
        HEAD + "other = App(jobs=jobs)\n",
        HEAD + "if True:\n    app = App(jobs=jobs)\n",
        HEAD + "app = App(\n    schedules=schedules,\n)\n",
        HEAD + "app = App(\n    schedules=(),\n)\n",
        HEAD + "app = App(\n    schedules=(one,),  # the first\n)\n",
        HEAD + "app = App(jobs=jobs, schedules=(one,))\n",
        HEAD + "app = App(\n    jobs=jobs\n)\n",
        HEAD + "app = App(\n    jobs=jobs)\n",
        HEAD + "app = App(\n    jobs=jobs,\n    **more,\n)\n",
        HEAD + "mail = 1\napp = App(\n    jobs=jobs,\n)\n",
        HEAD.replace("no_services", "no_services as none") + "app = App(\n    jobs=jobs,\n)\n",
        HEAD.replace("from barback import App, no_services", "import barback") + "app = App(\n    jobs=jobs,\n)\n",
        "from barback import App\nfrom . import jobs\napp = App(\n    jobs=jobs,\n)\n",
    ],
    ids=[
        *("made", "other", "within", "name", "empty", "comment", "nested", "comma"),
        *("bracket", "stars", "taken", "as", "module", "relative"),
    ],
)
def test_what_is_not_plain_is_left_to_a_person(text: str) -> None:
    assert placed(text, "app", IMPORT, LINE) is None
