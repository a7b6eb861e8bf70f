"""The attempts and checkpoints of a training on the page of its task, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from airflow_dlaas.plugin.response_models import CurveSeries, CurvesResponse, TrainingDetail, TrainingError
from tests.integration.plugin.task_pages import ALONE, TaskPages, a_task, a_training, task_pages
from tests.system.accessibility import violations_in_both_themes
from tests.system.browser import launch_browser, metric_charts

pytestmark = pytest.mark.slow

STARTS = ("2026-11-25T02:00:10Z", "2026-11-25T02:06:00Z")
"""When the two attempts began."""

FIRST_POINTS = (1_795_572_020.0, 1_795_572_370.0)
"""When each attempt measured its first value, in seconds since the epoch."""

EARLIER = {"training_id": "training-0", "attempt": 1, "number": 4}
OWN = {"training_id": "training-1", "attempt": 1, "number": 7}

LOST: dict[str, Any] = {
    "number": 1,
    "started_at": STARTS[0],
    "ended_at": "2026-11-25T02:05:30Z",
    "code": "S100",
    "reason": "the learner was lost: its process has ended without a result",
    "resumed_from": EARLIER,
}

SECOND: dict[str, Any] = {"number": 2, "started_at": STARTS[1], "resumed_from": OWN}


def a_recovered_training(state: str = "running", **more: Any) -> TrainingDetail:
    """Make a training in its second attempt, which resumed from ``training-0``."""
    times = ("02:00:00", "02:00:10", "02:00:15", "02:05:30", "02:06:00", "02:06:05")
    names = ("queued", "loading", "processing", "recovering", "loading", "processing")
    ends = [*times[1:], None]
    fields: dict[str, Any] = {
        "attempt": 2,
        "max_attempts": 3,
        "attempts": [LOST, SECOND],
        "resumed_from": OWN,
        "checkpoint": {"attempt": 2, "number": 9, "stored_at": STARTS[1], "files": 3, "bytes": 64 * 2**20},
        "phases": [
            {"phase": name, "since": f"2026-11-25T{begin}Z", "until": end and f"2026-11-25T{end}Z"}
            for name, begin, end in zip(names, times, ends, strict=True)
        ],
    }
    return a_training(state, **fields | more)


def loss(*steps: int, since: float, phase: str = "train") -> CurveSeries:
    """Make a curve that falls with its *steps*, of which 30 s are between two."""
    points = [(step, 50 / (step + 10), since + 30 * index) for index, step in enumerate(steps)]
    return CurveSeries(name="loss", phase=phase, axis="step", progress=False, total=len(points), points=points)


def curves(*series: CurveSeries) -> CurvesResponse:
    return CurvesResponse(version="1", series=list(series), complete=True)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch_browser() as browser:
        yield browser


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(viewport={"width": 1100, "height": 900}, timezone_id="UTC")
    yield context.new_page()
    context.close()


@pytest.fixture
def served() -> Iterator[TaskPages]:
    """Serve a training in its second attempt; the training whose checkpoint it began with is an earlier try."""
    with task_pages() as served:
        earlier = a_training("error", id="training-0")
        served.task, served.earlier = a_task(a_recovered_training(), "deferred", earlier), {"training-0": earlier}
        first, second = loss(*range(40, 80, 4), since=FIRST_POINTS[0]), loss(*range(80, 100, 4), since=FIRST_POINTS[1])
        joined = first.model_copy(update={"points": [*first.points, *second.points], "total": 15})
        served.curves = curves(joined)
        served.earlier_curves = {"training-0": curves(loss(*range(0, 52, 4), since=FIRST_POINTS[0] - 900))}
        yield served


def test_attempts_are_listed_with_their_checkpoint_and_their_end(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    expect(page.locator(".task-head")).to_contain_text("Attempt 2 of 3")
    rows = page.get_by_role("region", name="Attempts").locator("tbody tr")
    expect(rows).to_have_count(2)
    expect(rows.nth(0)).to_contain_text("training-0, checkpoint 4")
    expect(rows.nth(0)).to_contain_text("5 min 20 s")
    expect(rows.nth(0)).to_contain_text("S100: the learner was lost")
    expect(rows.nth(1)).to_contain_text("checkpoint 7 of attempt 1")
    expect(rows.nth(1)).to_contain_text("processing")
    facts = page.locator(".facts")
    expect(facts).to_contain_text("checkpoint 9 of attempt 2 · 3 files, 64.0 MiB · ")
    expect(page.get_by_role("list", name="Time in each phase")).to_contain_text("recovering 30 s")


def test_chart_marks_attempts_and_continues_the_curve_of_the_earlier_training(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    chart = metric_charts(page)
    expect(chart).to_have_count(1)
    expect(chart.get_by_role("img", name="loss over steps; attempt 2 begins at step 80")).to_be_visible()
    earlier = chart.get_by_role("button", name="train (earlier training) 1.087")  # the last step before 40
    expect(earlier).to_be_visible()
    page.get_by_label("Horizontal axis").select_option("elapsed")
    expect(chart.get_by_role("img", name="attempt 2 begins at 0:05:50")).to_be_visible()
    expect(earlier).to_have_count(0)


def test_link_leads_to_the_training_of_an_earlier_try(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    page.get_by_role("link", name="training-0").click()
    expect(page.get_by_label("Try")).to_have_value("training-0")
    expect(page.get_by_role("region", name="Attempts")).to_have_count(0)


def test_training_that_waits_for_one_of_another_task_has_its_id(served: TaskPages, page: Page) -> None:
    fields: dict[str, Any] = {"phase": "queued", "attempts": [], "attempt": 1, "resumed_from": None, "checkpoint": None}
    served.task = a_task(a_recovered_training("pending", **fields, waits_for="training-9"), "deferred")
    page.goto(served.url + ALONE)
    expect(page.locator(".task-head")).to_contain_text("waits for training-9")
    expect(page.get_by_role("link", name="training-9")).to_have_count(0)


def test_failure_names_the_attempts_without_an_accessibility_violation(served: TaskPages, page: Page, ui: Path) -> None:
    failed = {**SECOND, "ended_at": "2026-11-25T04:05:13Z", "code": "C201", "reason": "the command exited with 1"}
    errors = [TrainingError(code="C201", message="the command exited with 1")]
    earlier = served.earlier["training-0"]
    served.task = a_task(a_recovered_training("error", attempts=[LOST, failed], errors=errors), "failed", earlier)
    page.goto(served.url + ALONE)
    banner = page.get_by_role("region", name="Why the training failed")
    expect(banner).to_contain_text("The training failed after 2 attempts.")
    expect(page.get_by_role("region", name="Attempts")).to_contain_text("C201: the command exited with 1")
    axe = (ui / "node_modules" / "axe-core" / "axe.min.js").read_text()
    assert violations_in_both_themes(page, axe) == {"light": [], "dark": []}
