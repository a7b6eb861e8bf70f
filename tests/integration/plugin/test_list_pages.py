"""The list pages in a real browser, in a frame as Airflow shows them: what they show, and that links keep it."""

from __future__ import annotations

import re
from collections.abc import Iterator
from datetime import UTC, datetime, timedelta
from typing import Any

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.plugin.response_models import CurveSeries, CurvesResponse, MetricNumber, TrainingList
from airflow_dlaas.plugin.responses import unknown_training
from airflow_dlaas.plugin.usage_models import ServiceUsage, UsageHours, UsageReports, WastedCause
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from tests.integration.plugin.framed_pages import FramedPages, framed_pages
from tests.system.browser import launch_browser

SUBMITTED = datetime(2026, 11, 25, 2, tzinfo=UTC)

NAVIGATION, RUN_TAB, DAG_TAB = (
    "/plugin/dlaas-trainings",
    "/dags/sweep/runs/r/plugin/dlaas-run",
    "/dags/sweep/plugin/dlaas-dag",
)


@pytest.fixture(scope="module")
def browser() -> Iterator[Browser]:
    with launch_browser() as browser:
        yield browser


@pytest.fixture(scope="module")
def served() -> Iterator[FramedPages]:
    with framed_pages() as served:
        yield served


@pytest.fixture
def page(browser: Browser) -> Iterator[Page]:
    context = browser.new_context(
        viewport={"width": 1400, "height": 900}, permissions=["clipboard-read", "clipboard-write"], timezone_id="UTC"
    )
    yield context.new_page()
    context.close()


METRIC = re.compile("^Metric")
"""The label of the metric's select field; the text of a label contains its options."""


def training(index: int, metrics: dict[str, MetricNumber] | None = None, **fields: Any) -> Any:
    """Make the completed training of the mapped task instance *index*, with *fields* replaced."""
    ref = TaskInstanceRef("sweep", "scheduled__2026-11-25T02:00:00+00:00", "train", index)
    began = SUBMITTED + timedelta(seconds=20)
    known = {
        "state": TrainingState.COMPLETED,
        "name": "digits",
        "framework": "tensorflow 2.21",
        "resource_type": "small",
        "requested_gpus": 1,
        "submitted_at": SUBMITTED + timedelta(minutes=index),
        "running_at": began + timedelta(minutes=index),
        "finished_at": began + timedelta(minutes=index, hours=1, seconds=5),
        "metrics": metrics or {},
        "source": "service",
    }
    return unknown_training(ref, "dlaas_default", f"training-{index:09}").model_copy(update={**known, **fields})


def listing(*trainings: Any, unavailable: tuple[str, ...] = ()) -> TrainingList:
    errors = [f"{connection}: The service does not answer" for connection in unavailable]
    return TrainingList(trainings=list(trainings), service_errors=errors, unavailable=list(unavailable))


def frame_in(page: Page) -> Frame:
    """Return the plugin's page in the frame of *page*."""
    frame = page.wait_for_selector("iframe").content_frame()
    assert frame is not None
    frame.wait_for_selector(".listing table")
    return frame


def tasks(frame: Frame) -> list[str]:
    return frame.get_by_role("rowheader").all_inner_texts()


def test_queue_of_a_service_that_does_not_answer_is_unknown(page: Page, served: FramedPages) -> None:
    away = unknown_training(TaskInstanceRef("sweep", "r", "train"), "gpu_farm", "training-away")
    served.listings["trainings"] = listing(training(0), away, unavailable=("gpu_farm",))
    page.goto(served.url + NAVIGATION)
    queue = frame_in(page).get_by_role("region", name="Queue")
    expect(queue).to_contain_text("Unknown: the service of the connection gpu_farm does not answer.")
    expect(queue).to_contain_text("No training waits for a GPU or has one at dlaas_default.")
    served.listings["trainings"] = listing(away, unavailable=("gpu_farm",))
    page.reload()
    expect(frame_in(page).get_by_role("region", name="Queue")).not_to_contain_text("No training waits")


def test_training_between_two_attempts_has_its_attempt_and_waits(page: Page, served: FramedPages) -> None:
    running = {"state": TrainingState.RUNNING, "finished_at": None, "max_attempts": 3}
    served.listings["trainings"] = listing(
        training(0, **running, phase="processing", attempt=1, gpus=["0"]),
        training(1, **running, phase="recovering", attempt=2),
        training(2, attempt=2),
    )
    page.goto(served.url + NAVIGATION)
    frame = frame_in(page)
    first, second, third = (frame.get_by_role("row", name=f"train [{index}]") for index in range(3))
    expect(first).not_to_contain_text("attempt")
    expect(second).to_contain_text("attempt 2 of 3")
    expect(second).to_contain_text("recovering")
    expect(third).to_contain_text("attempt 2")
    expect(frame.get_by_role("region", name="Queue")).to_contain_text("train [1] of sweep waits, requests 1 GPU")


@pytest.mark.parametrize("width", [1400, 1000, 420])
def test_every_column_can_be_reached_while_the_task_stays_in_view(page: Page, served: FramedPages, width: int) -> None:
    long_name = "a_dag_whose_name_is_longer_than_a_column_of_a_table_should_ever_become"
    served.listings["trainings"] = listing(
        training(0, note="Do not delete " * 20, tags=["baseline"], ref=TaskInstanceRef(long_name, "r", "train")),
        training(1, connection="gpu_farm"),
    )
    page.set_viewport_size({"width": width, "height": 900})
    page.goto(served.url + NAVIGATION)
    frame = frame_in(page)
    headers = frame.get_by_role("columnheader").all_inner_texts()
    assert {"Id", "Note", "Tags", "Total duration", "Service"} <= {header.split("\n")[0].strip() for header in headers}
    frame.get_by_role("cell", name="gpu_farm").scroll_into_view_if_needed()
    expect(frame.get_by_role("cell", name="gpu_farm")).to_be_in_viewport()
    expect(frame.get_by_role("rowheader").first).to_be_in_viewport()
    assert frame.evaluate("document.documentElement.scrollWidth") <= width


def test_id_is_copied_whole_and_durations_have_seconds(page: Page, served: FramedPages) -> None:
    served.listings["trainings"] = listing(training(3))
    page.goto(served.url + NAVIGATION)
    frame = frame_in(page)
    expect(frame.get_by_role("cell", name="1 h 0 min 25 s")).to_have_count(1)  # with 20 s of waiting
    expect(frame.get_by_role("cell", name="1 h 0 min 5 s")).to_have_count(1)
    frame.get_by_role("button", name="Copy the id training-000000003").click()
    expect(frame.locator(".listing-id .copy")).to_contain_text("copied")
    assert frame.evaluate("navigator.clipboard.readText()") == "training-000000003"


SWEEP = [
    training(0, {"validation/loss": "NaN", "loss": 0.01}, progress_metrics=["loss"], parameters={"rate": "0.1"}),
    training(1, {"validation/loss": 0.5, "loss": 0.2}, progress_metrics=["loss"], parameters={"rate": "0.01"}),
    training(2, {"validation/loss": "-Infinity", "loss": "Infinity"}, progress_metrics=["loss"], tags=["odd"]),
    training(3, {"validation/loss": 0.3, "loss": 0.3}, progress_metrics=["loss"], parameters={"rate": "0.001"}),
]


def test_diverged_trainings_of_a_sweep_are_never_the_best(page: Page, served: FramedPages) -> None:
    served.listings["run"] = listing(*SWEEP)
    page.goto(served.url + RUN_TAB)
    frame = frame_in(page)
    assert tasks(frame) == ["train [3]", "train [1]", "train [0]", "train [2]"]
    expect(frame.get_by_role("row").filter(has_text="best")).to_contain_text("train [3]")
    expect(frame.get_by_role("row", name="train [2]")).to_contain_text("-∞")
    frame.get_by_label("Better is").select_option("higher")
    expect(frame.get_by_role("row").filter(has_text="best")).to_contain_text("train [1]")
    assert tasks(frame) == ["train [1]", "train [3]", "train [0]", "train [2]"]
    frame.get_by_label(METRIC).select_option("loss")
    expect(frame.get_by_role("row").filter(has_text="best")).to_contain_text("train [0]")
    expect(frame.get_by_role("columnheader", name="loss progress bar")).to_be_visible()


@pytest.mark.parametrize(("tab", "name"), [(RUN_TAB, "run"), (DAG_TAB, "dag"), (NAVIGATION, "trainings")])
def test_link_keeps_filters_order_and_metric(page: Page, served: FramedPages, tab: str, name: str) -> None:
    served.listings[name] = listing(*SWEEP)
    page.goto(served.url + tab)
    frame = frame_in(page)
    frame.get_by_label("Text").fill("rate=0.10")
    expect(frame.get_by_role("rowheader")).to_have_text(["train [0]"])
    frame.get_by_role("button", name="Show all").click()
    expect(frame.get_by_role("rowheader")).to_have_count(4)
    frame.get_by_label("State").select_option("completed")
    frame.get_by_role("button", name="Task").click()
    frame.get_by_role("button", name="Task").click()
    if name != "trainings":
        frame.get_by_label(METRIC).select_option("loss")
        frame.get_by_role("button", name="Task").click()
    frame.get_by_role("button", name="Copy link").click()
    expect(frame.locator(".copy").first).to_contain_text("copied")
    link = frame.evaluate("navigator.clipboard.readText()")
    before = tasks(frame)
    other = page.context.new_page()
    other.goto(link)
    again = frame_in(other)
    expect(again.get_by_label("State")).to_have_value("completed")
    assert tasks(again) == before
    if name != "trainings":
        expect(again.get_by_label(METRIC)).to_have_value("loss")


def test_history_names_the_run_that_diverged(page: Page, served: FramedPages) -> None:
    served.listings["dag"] = listing(
        training(-1, {"validation/accuracy": "NaN"}, submitted_at=SUBMITTED),
    )
    page.goto(served.url + DAG_TAB)
    frame = frame_in(page)
    history = frame.get_by_role("region", name="Final validation/accuracy of each run")
    expect(history).to_contain_text("The newest run diverged: its value is NaN.")
    expect(history.get_by_role("link", name="scheduled 2026-11-25 02:00 train")).to_be_visible()
    history.get_by_role("group").focus()
    page.keyboard.press("ArrowRight")
    expect(history).to_contain_text("train NaN (diverged)")


def test_curve_of_a_progress_bar_is_shown_only_on_request(page: Page, served: FramedPages) -> None:
    served.listings["run"] = listing(SWEEP[1])
    at = SUBMITTED.timestamp()

    def curve(phase: str, *, progress: bool, value: MetricNumber) -> CurveSeries:
        points = [(1.0, 0.9, at), (2.0, value, at + 60)]
        return CurveSeries(name="loss", phase=phase, axis="epoch", progress=progress, total=2, points=points)

    series = [curve("", progress=True, value=0.11), curve("", progress=False, value="NaN")]
    served.curves["training-000000001"] = CurvesResponse(version="1", series=series, complete=True)
    page.goto(served.url + RUN_TAB + "#metric=loss")
    frame = frame_in(page)
    curves = frame.get_by_role("region", name="Curves")
    expect(curves.get_by_label("Curves of")).to_have_value("loss")
    expect(curves.get_by_role("listitem")).to_contain_text("NaN at epoch 2")
    curves.get_by_label("Curves of").select_option("loss (progress bar)")
    expect(curves.get_by_role("listitem")).to_contain_text("0.11")


def usage_row(name: str | None, trainings: int, hours: float, **wasted: float) -> UsageHours:
    causes = [WastedCause(cause=cause, hours=number) for cause, number in wasted.items()]
    total = sum(wasted.values())
    return UsageHours(name=name, trainings=trainings, gpu_hours=hours, wasted_hours=total, wasted=causes)


def test_gpu_hours_are_listed_by_dag_and_by_state_with_what_was_wasted(page: Page, served: FramedPages) -> None:
    served.listings["trainings"] = listing(training(0))

    def reports(*rows: UsageHours) -> UsageReports:
        total = usage_row(None, 44, 131.5, failed=9.25, stalled=0.01)
        usage = ServiceUsage(connection="dlaas_default", since=SUBMITTED, rows=list(rows), total=total)
        return UsageReports(reports=[usage], service_errors=["gpu_farm does not answer"])

    served.usage["dag"] = reports(usage_row("sweep", 40, 120.0, failed=9.25, stalled=0.01), usage_row(None, 4, 11.5))
    served.usage["state"] = reports(usage_row("completed", 43, 122.25, stalled=0.01), usage_row("error", 1, 9.25))
    page.goto(served.url + NAVIGATION)
    frame = frame_in(page)
    frame.get_by_text("GPU-hours of the last 30 days").click()
    rows = frame.get_by_role("region", name="GPU-hours").get_by_role("row")
    expect(rows).to_have_text(
        [
            "DAGTrainingsGPU-hoursWastedShareCauses",
            "sweep40120.09.38 %failed 9.3, stalled < 0.1",
            "other411.50.00 %",
            "all44131.59.37 %failed 9.3, stalled < 0.1",
        ]
    )
    expect(frame.get_by_text("gpu_farm does not answer")).to_be_visible()
    frame.get_by_label("By", exact=False).select_option("state")
    expect(rows.nth(1)).to_contain_text("completed")
