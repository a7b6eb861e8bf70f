"""The training data of a training on the page of its task, in a real browser."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest
from playwright.sync_api import Browser, Page, expect

from airflow_dlaas.plugin.response_models import (
    DataComparison,
    DataObjects,
    SourceComparison,
    TrainingDetail,
    TrainingList,
    TrainingListItem,
)
from airflow_dlaas.plugin.xcoms import TaskInstanceRef
from tests.integration.plugin.task_pages import ALONE, TaskPages, a_task, a_training, task_pages
from tests.system.accessibility import violations_in_both_themes
from tests.system.browser import launch_browser

pytestmark = pytest.mark.slow

VERSION = "sha256:" + "ab" * 32

DATA: dict[str, Any] = {
    "sources": [
        {
            "name": "images",
            "type": "s3",
            "folder": "images",
            "prefix": "train",
            "version": VERSION,
            "files": 4,
            "bytes": 4096,
            "cached_files": 3,
            "cached_bytes": 3072,
        },
        {"name": "/data/labels", "type": "mount_volume", "folder": "labels"},
    ],
    "seconds": 1.5,
    "manifest": "training-1/training-data.json",
}

OBJECTS = DataObjects.model_validate(
    {"sources": [{"name": "images", "total": 4, "objects": [{"name": "a.png", "size": 1024, "digest": "md5:0"}]}]}
)


def an_earlier_item() -> TrainingListItem:
    """Make the training of the run before, as the list of the DAG has it."""
    fields = {name: getattr(a_training(), name) for name in TrainingListItem.model_fields}
    return TrainingListItem(**fields | {"id": "training-0", "ref": TaskInstanceRef("nightly", "r0", "train")})


def a_difference(**more: Any) -> SourceComparison:
    totals = {f"{kind}_total": len(more.get(kind, ())) for kind in ("added", "removed", "changed")}
    fields: dict[str, Any] = {"name": "images", "prefix": "train", "equal": False, "only_in": None}
    return SourceComparison(**{"added": [], "removed": [], "changed": []} | fields | totals | more)


def loading_training() -> TrainingDetail:
    loading = {
        "files": 1,
        "total_files": 4,
        "bytes": 1024,
        "total_bytes": 4096,
        "bytes_per_second": 512.0,
        "seconds_left": 6.0,
    }
    return a_training("running", phase="loading", loading=loading)


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
    """Serve a training that has read four objects and a mounted folder, and has ended."""
    with task_pages() as served:
        served.task, served.data = a_task(a_training(data=DATA)), OBJECTS
        served.others = TrainingList(trainings=[an_earlier_item()], service_errors=[], unavailable=[])
        yield served


def test_progress_shows_amount_rate_and_time_left(served: TaskPages, page: Page) -> None:
    served.task = a_task(loading_training(), "deferred")
    page.goto(served.url + ALONE)
    expect(page.get_by_label("Loading the training data")).to_be_visible()
    expect(page.locator(".loading-data")).to_contain_text("1.0 KiB of 4.0 KiB, 1 of 4 files · 512 B/s · 6 s left")


def test_sources_are_listed_with_size_share_of_the_cache_and_version(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    rows = page.get_by_role("region", name="Training data").locator("tbody tr")
    expect(rows).to_have_count(2)
    for text in ("images/train", "4 files, 4.0 KiB", "3 files, 3.0 KiB", "abababababab"):
        expect(rows.nth(0)).to_contain_text(text)
    expect(rows.nth(1)).to_contain_text("mounted, not counted")


def test_objects_are_listed_on_request_with_their_digests(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    page.get_by_text("Objects that were read").click()
    table = page.get_by_role("group", name="Objects of images")
    expect(table).to_contain_text("a.png")
    expect(table).to_contain_text("md5:0")
    expect(table).to_contain_text("The first 1 of 4 objects")


def test_two_trainings_are_compared_without_an_accessibility_violation(served: TaskPages, page: Page, ui: Path) -> None:
    served.comparison = DataComparison(equal=False, sources=[a_difference(added=["b.png"], changed=["a.png"])])
    page.goto(served.url + ALONE)
    page.get_by_text("Compare with another training").click()
    page.get_by_label("Other training").select_option("training-0")
    expect(page.get_by_text("images/train: 1 added, 1 changed")).to_be_visible()
    page.get_by_text("1 added", exact=True).click()
    expect(page.get_by_text("b.png")).to_be_visible()
    axe = (ui / "node_modules/axe-core/axe.min.js").read_text()
    assert violations_in_both_themes(page, axe) == {"light": [], "dark": []}


def test_equal_data_is_stated(served: TaskPages, page: Page) -> None:
    page.goto(served.url + ALONE)
    page.get_by_text("Compare with another training").click()
    page.get_by_label("Other training").select_option("training-0")
    expect(page.get_by_text("Both trainings read the same data.")).to_be_visible()
