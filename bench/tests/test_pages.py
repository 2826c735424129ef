"""What is written of what was measured: pages and charts."""

from xml.etree import ElementTree

from bench.chart import Bar, BarGroup, Curve, draw_bars, draw_curves
from bench.grow import failures, render_growth
from bench.growth import QUEUED, worst_step
from bench.report import render_chart, render_report
from bench.results import Results
from bench.roster import ALL
from bench.scenarios import FULL
from bench.tables import number, table


def _some() -> Results:
    results = Results(
        about={"day": "2026-11-24", "cores": "2", "Python": "3.11.7"}, versions={"barback": "0.1.0", "node": "6.7.0"}
    )
    for peer, rate in (("barback", 12_000.0), ("node", 8_000.0)):
        results.add("c100", peer, {"jobs_per_s": rate, "worker_cpu_us": 50, "redis_cpu_us": 40, "peak_mb": 60})
        results.add("latency", peer, {"p50_ms": 1.0, "p99_ms": 2.0})
    results.failures.append("rq: its environment cannot be made: no network")
    return results


def test_a_row_says_goal_figure_and_whether_it_is_reached() -> None:
    page = render_report(_some(), ALL, FULL)
    assert "| 100 at a time, to Node | ≥ 1.25x | 1.50x | yes |" in page
    assert "| pickup latency p50, to Node | ≤ 0.8x | 1.00x | **no** |" in page
    assert "| one at a time, to Node | ≥ 1.1x | - | - |" in page


def test_the_page_has_only_peers_that_took_part_and_names_those_that_failed() -> None:
    page = render_report(_some(), ALL, FULL)
    assert "| Node bullmq | 6.7.0 |" in page
    assert "taskiq-python.github.io" not in page
    assert "- rq: its environment cannot be made: no network" in page


def test_a_cell_keeps_its_bar_and_a_missing_figure_is_a_dash() -> None:
    assert table(["a"], [["x|y"]]) == "| a |\n| --- |\n| x\\|y |\n"
    assert (number(None), number(1234.56, 1)) == ("-", "1,234.6")


def test_bars_are_as_long_as_their_ratios_from_one_start() -> None:
    drawn = ElementTree.fromstring(
        draw_bars([BarGroup("a & b", [Bar("ours", 2.0, ours=True), Bar("x", 0.5)])], "N = 1")
    )
    bars = [one.attrib for one in drawn.iter("{http://www.w3.org/2000/svg}rect")]
    assert [bar["class"] for bar in bars] == ["ours", "bar"]
    assert float(bars[0]["width"]) == 4 * float(bars[1]["width"])
    assert bars[0]["x"] == bars[1]["x"]


def test_charts_are_whole_svg_for_light_and_dark() -> None:
    curve = Curve("t", "x", "y", [(1, 10), (10, 12), (1_000, 9)], 0)
    for chart in (render_chart(_some(), ALL, FULL), draw_curves([curve, curve])):
        assert ElementTree.fromstring(chart).tag == "{http://www.w3.org/2000/svg}svg"
        assert "prefers-color-scheme: dark" in chart


def test_the_worst_step_is_measured_by_what_the_cost_may_grow() -> None:
    assert worst_step([(1, 10), (10, 20), (100, 10)], power=0) == 2.0
    assert worst_step([(1, 10), (10, 200), (100, 200)], power=1) == 2.0
    assert worst_step([(1, 10)], power=1) == 0.0


def _queued(*costs: float) -> Results:
    results = Results()
    for step, cost in zip(QUEUED.steps, costs, strict=True):
        results.add(
            "queued", str(step.x), {"adding_cpu_us": 50, "worker_cpu_us": cost, "redis_cpu_us": 0, "jobs_per_s": 9}
        )
    return results


def test_a_cost_that_grows_faster_than_it_may_fails_the_run_and_one_that_does_not_is_told() -> None:
    assert failures(_queued(100, 100, 100, 100)) == []
    assert "working 1.10" in render_growth(_queued(100, 100, 110, 110))
    assert failures(_queued(100, 100, 100, 200)) == [
        "More jobs in the queue: working grows faster than linear, 2.00 times in one step."
    ]
