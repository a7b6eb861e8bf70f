"""The page of a task in a real browser, over documents that each test writes."""

from __future__ import annotations

import struct
import zlib
from collections.abc import Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Frame, Page, expect

from airflow_dlaas.plugin.response_models import CurveSeries as Series
from airflow_dlaas.plugin.response_models import (
    CurvesResponse,
    Failure,
    ResultFile,
    ResultFiles,
    TrainingError,
    UsagePointSeries,
    UsageResponse,
)
from tests.integration.plugin.task_pages import ALONE, TAB, TaskPages, a_task, a_training, task_pages
from tests.system.accessibility import violations_in_both_themes
from tests.system.browser import launch_browser, metric_charts
from tests.waiting import until

pytestmark = pytest.mark.slow

START = 1_795_572_010.0
"""The start of the training of `a_training`, in seconds since the epoch."""


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
    with task_pages() as served:
        yield served


def frame_of(page: Page) -> Frame:
    """Return the frame in Airflow's page, as soon as it shows a training."""
    frame = page.frame_locator("iframe").owner.element_handle().content_frame()
    assert frame is not None
    expect(frame.locator(".task-id")).to_be_visible()
    return frame


def series(name: str, *values: float | str, axis: str = "step", progress: bool = False) -> Series:
    """Make a series with a point each 10 s."""
    points = [(step, value, START + 10 * step) for step, value in enumerate(values)]
    return Series(name=name, phase="train", axis=axis, progress=progress, total=len(points), points=points)


def test_failed_training_shows_code_exception_and_last_lines(served: TaskPages, page: Page) -> None:
    errors = [TrainingError(code="C201", message="the command exited with 1")]
    served.task = a_task(a_training("error", errors=errors), "failed")
    served.failure = Failure(exception="ValueError: shapes do not match", lines=["Iter 7", "<b>not bold</b>"])
    page.goto(served.url + ALONE)
    banner = page.get_by_role("region", name="Why the training failed")
    for text in ("C201: the command exited with 1", "ValueError: shapes do not match", "Iter 7", "<b>not bold</b>"):
        expect(banner).to_contain_text(text)
    banner.get_by_text("Last lines of the log").click()
    expect(banner.get_by_text("Iter 7")).to_be_hidden()


def test_completed_training_under_a_failed_task_states_what_to_do(served: TaskPages, page: Page) -> None:
    served.task = a_task(a_training(), "failed")
    page.goto(served.url + ALONE)
    expect(page.locator(".advice")).to_contain_text("Clear the task: it takes the result of this training")


def test_ended_training_offers_neither_follow_nor_metrics_to_come(served: TaskPages, page: Page) -> None:
    served.log = "".join(f"Iter {step}\n" for step in range(500))
    page.goto(served.url + ALONE)
    log = page.get_by_role("log")
    expect(log).to_contain_text("Iter 499")
    expect(page.get_by_text("No metrics were recognized")).to_be_visible()
    expect(page.get_by_text("No metrics yet")).to_have_count(0)
    expect(page.get_by_label("Follow")).to_have_count(0)
    log.evaluate("log => log.scrollTo(0, 0)")
    page.get_by_role("button", name="Go to the end").click()
    expect(log).to_contain_text("Iter 499")


def test_running_training_offers_follow_and_awaits_metrics(served: TaskPages, page: Page) -> None:
    served.task = a_task(a_training("running"), "deferred")
    page.goto(served.url + ALONE)
    expect(page.get_by_label("Follow")).to_be_checked()
    expect(page.get_by_text("No metrics yet")).to_be_visible()


def test_charts_show_axes_nan_and_progress_bars(served: TaskPages, page: Page) -> None:
    bar = series("loss", 9.0, 8.0, progress=True)
    found = [series("loss", 2.0, 1.0, axis="epoch"), bar, series("accuracy", 0.5, 0.7, "NaN", "NaN"), series("rate", 1)]
    served.curves = CurvesResponse(version="1", series=found, complete=True)
    page.goto(served.url + ALONE)
    charts = metric_charts(page)
    expect(charts).to_have_count(4)
    expect(charts.nth(0)).to_contain_text("loss by epoch")
    expect(charts.nth(0).get_by_role("slider")).to_have_attribute("aria-valuetext", "epoch 1: train 1")
    off = charts.nth(1).get_by_role("button", name="train (progress bar) 8")
    expect(off).to_have_attribute("aria-pressed", "false")
    expect(charts.nth(1).locator("canvas")).to_have_count(0)
    off.click()
    expect(charts.nth(1).locator("canvas")).to_be_visible()
    expect(charts.nth(2)).to_contain_text("train: NaN from step 2 on")
    expect(charts.nth(2).get_by_role("button", name="train NaN")).to_be_visible()
    page.get_by_label("Horizontal axis").select_option("elapsed")
    expect(charts.nth(0).get_by_role("slider")).to_have_attribute("aria-valuetext", "0:00:10: train 1")


def test_facts_have_durations_and_times_with_seconds_and_zone(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    for name, value in {
        "Submitted": "25 Nov 2026, 02:00:00 UTC",
        "Ended": "25 Nov 2026, 04:05:13 UTC",
        "Total duration": "2 h 5 min 13 s",
        "Duration without the queue": "2 h 5 min 3 s",
    }.items():
        expect(page.locator(f"dt:text-is('{name}') + dd")).to_have_text(value)


def test_resources_over_time_stay_after_the_end(served: TaskPages, page: Page) -> None:
    points = [(START, 2.0**30), (START + 60, 2.0**31)]
    used = UsagePointSeries(resource="memory", unit="bytes", device="", limit=2.0**34, points=points)
    served.usage = UsageResponse(series=[used], complete=True)
    page.goto(served.url + ALONE)
    chart = page.get_by_role("region", name="Resources over time").get_by_role("figure")
    expect(chart.get_by_role("slider")).to_have_attribute("aria-valuetext", "0:01:00: used (of 16.0 GiB) 2.0 GiB")


def test_results_are_listed_previewed_and_downloaded(served: TaskPages, page: Page, tmp_path: Path) -> None:
    served.content = {"model/config.json": b'{"rate": 0.1}', "plot.png": png(), "weights.h5": b"\0" * 2048}
    kinds = {"model/config.json": "text", "plot.png": "image", "weights.h5": None}
    files = [
        ResultFile(name=name, size=len(content), modified_at="2026-11-25T04:05:12Z", preview=kinds[name])
        for name, content in served.content.items()
    ]
    served.results = ResultFiles(container="results", location="training-1", files=files, truncated=False)
    served.log = "Iter 1\n"
    page.goto(served.url + TAB)  # in the frame, from which Airflow's document downloads
    frame = frame_of(page)
    expect(frame.get_by_role("row", name="weights.h5")).to_contain_text("2.0 KiB")
    frame.get_by_role("button", name="Preview model/config.json").click()
    expect(frame.get_by_label("Beginning of model/config.json")).to_have_text('{"rate": 0.1}')
    frame.get_by_role("button", name="Preview plot.png").click()
    image = frame.get_by_role("img", name="plot.png")
    until(lambda: image.evaluate("image => image.naturalWidth"), lambda width: width == 2)
    expect(frame.get_by_role("button", name="Preview weights.h5")).to_have_count(0)
    for name, content in {"weights.h5": b"\0" * 2048, "log": b"Iter 1\n"}.items():
        with page.expect_download() as download:
            frame.get_by_role("link", name=f"Download {name}").click()
        assert name in download.value.suggested_filename
        download.value.save_as(tmp_path / name)
        assert (tmp_path / name).read_bytes() == content
    assert page.url == served.url + TAB


def test_log_of_a_training_that_the_service_has_deleted_is_downloaded(served: TaskPages, page: Page) -> None:
    served.task, served.log = a_task(a_training(source="task")), "Iter 1\n"
    page.goto(served.url + ALONE)
    expect(page.get_by_role("log")).to_have_count(0)
    with page.expect_download() as download:
        page.get_by_role("link", name="Download log").click()
    assert download.value.path().read_text() == "Iter 1\n"


def test_note_and_tags_are_changed_only_by_users_who_may(served: TaskPages, page: Page) -> None:
    served.task = a_task(a_training(note="first", tags=["old"]))
    page.goto(served.url + ALONE)
    page.get_by_role("button", name="Edit note and tags").click()
    page.get_by_label("Note", exact=True).fill("the best so far")
    page.get_by_role("button", name="Remove tag old").click()
    page.get_by_label("Tags, separated").press_sequentially("baseline,two words")
    page.get_by_role("button", name="Save").click()
    expect(page.get_by_role("list", name="Tags").get_by_role("listitem")).to_have_text(["baseline", "two words"])
    expect(page.locator(".note")).to_have_text("the best so far")
    (sent,) = served.annotations
    assert (sent.training_id, sent.note, sent.tags) == ("training-1", "the best so far", ["baseline", "two words"])
    served.task = served.task.model_copy(update={"may_edit": False})
    page.reload()
    expect(page.locator(".note")).to_be_visible()
    expect(page.get_by_role("button", name="Edit note and tags")).to_have_count(0)


def test_permanent_link_opens_an_earlier_try(served: TaskPages, page: Page) -> None:
    earlier = a_training("error", id="training-0")
    served.task, served.earlier = a_task(a_training(), "success", earlier), {"training-0": earlier}
    page.context.grant_permissions(["clipboard-read", "clipboard-write"])
    page.goto(served.url + TAB)
    frame = frame_of(page)
    frame.get_by_label("Try").select_option("training-0")
    expect(frame.locator(".task-id")).to_have_text("training-0")
    assert page.url == f"{served.url}{TAB}?training_id=training-0"
    frame.get_by_role("button", name="Copy link").click()
    expect(frame.get_by_text("copied")).to_be_visible()
    link = page.evaluate("navigator.clipboard.readText()")
    page.goto("about:blank")
    page.goto(link)
    frame = frame_of(page)
    expect(frame.locator(".task-id")).to_have_text("training-0")
    frame.get_by_label("Try").select_option("training-1")
    expect(frame.locator(".task-id")).to_have_text("training-1")
    assert page.url == served.url + TAB


def test_link_to_a_training_of_another_task_shows_the_current_one(served: TaskPages, page: Page) -> None:
    page.goto(f"{served.url}{TAB}?training_id=training-9")
    frame = frame_of(page)
    expect(frame.locator(".task-id")).to_have_text("training-1")
    expect(frame.get_by_role("status").filter(has_text="This task has no training training-9")).to_be_visible()
    assert page.url == served.url + TAB


def test_frame_has_the_background_of_airflow_and_a_way_out_of_a_narrow_window(served: TaskPages, page: Page) -> None:
    served.theme, served.background, served.left = "dark", "rgb(1, 2, 30)", 350
    page.set_viewport_size({"width": 420, "height": 800})
    page.goto(served.url + TAB)
    frame = frame_of(page)
    assert frame.evaluate("getComputedStyle(document.body).backgroundColor") == "rgb(1, 2, 30)"
    link = frame.get_by_role("link", name="Open as a full page")
    box = link.bounding_box()
    assert box
    assert box["x"] + box["width"] <= 420
    link.click()
    expect(page.get_by_role("link", name="Open in Airflow")).to_be_visible()
    assert page.url.startswith(served.url + "/dlaas/task?")
    assert page.evaluate("document.documentElement.scrollWidth") <= 420
    assert page.evaluate("document.documentElement.dataset.theme") == "light"  # of the browser: no Airflow around it


def test_page_with_banner_form_charts_and_preview_has_no_accessibility_violation(
    served: TaskPages, page: Page, ui: Path
) -> None:
    errors = [TrainingError(code="C201", message="the command exited with 1")]
    failed, earlier = a_training("error", errors=errors, tags=["baseline"]), a_training(id="training-0")
    served.task = a_task(failed, "up_for_retry", earlier)
    served.failure = Failure(exception="ValueError: shapes do not match", lines=["Traceback"])
    bar = series("loss", 9.0, 8.0, progress=True)
    found = [series("loss", 2.0, 1.0, axis="epoch"), bar, series("accuracy", 0.5, "NaN")]
    served.curves = CurvesResponse(version="1", series=found, complete=True)
    served.content = {"config.json": b"{}"}
    file = ResultFile(name="config.json", size=2, modified_at=None, preview="text")
    served.results = ResultFiles(container="results", location="training-1", files=[file], truncated=False)
    page.goto(served.url + ALONE)
    page.get_by_role("button", name="Preview config.json").click()
    page.get_by_role("button", name="Edit note and tags").click()
    expect(page.get_by_label("Beginning of config.json")).to_be_visible()
    axe = (ui / "node_modules" / "axe-core" / "axe.min.js").read_text()
    assert violations_in_both_themes(page, axe) == {"light": [], "dark": []}


def png() -> bytes:
    """Return an image of 2 x 1 pixels."""

    def chunk(kind: bytes, data: bytes) -> bytes:
        return struct.pack(">I", len(data)) + kind + data + struct.pack(">I", zlib.crc32(kind + data))

    head = struct.pack(">IIBBBBB", 2, 1, 8, 2, 0, 0, 0)
    body = zlib.compress(b"\0" + bytes(6))
    return b"\x89PNG\r\n\x1a\n" + chunk(b"IHDR", head) + chunk(b"IDAT", body) + chunk(b"IEND", b"")
