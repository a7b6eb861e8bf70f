"""The pages in Airflow's UI: a real browser on a real Airflow, while a real training runs."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from urllib.parse import quote

import psutil
import pytest
import requests
from playwright.sync_api import Browser, expect

from airflow_dlaas.client import calls
from airflow_dlaas.demo.service_process import ServiceProcess
from tests.system.auth import STRANGER, VIEWER
from tests.system.browser import UserWindow, last_step, logged_in, metric_charts
from tests.system.dags.watch import GROWS, TRAIN
from tests.system.stage import Run, Stage, eventually

pytestmark = pytest.mark.slow


def test_task_page_updates_curves_and_log_without_reloading(admin: UserWindow, growing: Run) -> None:
    frame = admin.open_tab(growing.dag_id, growing.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    expect(metric_charts(frame)).to_have_count(2)
    log, slider = frame.get_by_role("log"), metric_charts(frame).get_by_role("slider").last
    expect(log).to_contain_text("Iter")
    first, length = last_step(log.inner_text()), slider.get_attribute("aria-valuemax")
    eventually(lambda: last_step(log.inner_text()) > first or None)
    expect(slider).not_to_have_attribute("aria-valuemax", str(length))
    expect(frame.locator(".chart").first).to_contain_text("validation")
    admin.take_screenshot("training-tab")
    assert admin.requested_hosts() == {admin.airflow.url.removeprefix("http://")}


def test_responses_contain_no_password(admin: UserWindow, growing: Run, live_service: ServiceProcess) -> None:
    frame = admin.open_tab(growing.dag_id, growing.run_id)
    expect(frame.get_by_role("log")).to_contain_text("Iter")
    secrets = [known["password"] for known in live_service.connections().values()]
    bodies = [one.text() for one in admin.responses if "/dlaas/" in one.url]
    assert len(bodies) >= 4
    assert not any(secret in body for secret in secrets for body in bodies)


def test_log_search_finds_a_line_that_is_out_of_view(admin: UserWindow, growing: Run) -> None:
    frame = admin.open_tab(growing.dag_id, growing.run_id)
    frame.get_by_label("Search").fill("iter 17,")
    frame.get_by_role("button", name="Find").click()
    expect(frame.locator(".found")).to_contain_text("Iter 17, Minibatch Loss")


def test_run_page_dag_page_and_trainings_page_list_the_training(admin: UserWindow, growing: Run) -> None:
    run = f"/dags/{growing.dag_id}/runs/{quote(growing.run_id)}/plugin/dlaas-run"
    for path, iframe_url in (
        (run, "/dlaas/run"),
        (f"/dags/{growing.dag_id}/plugin/dlaas-dag", "/dlaas/dag"),
        ("/plugin/dlaas-trainings", "/dlaas/trainings"),
    ):
        frame = admin.open_frame(path, iframe_url)
        expect(frame.get_by_role("table").get_by_text("running").first).to_be_visible()
        admin.take_screenshot(iframe_url.rsplit("/", 1)[-1])


def test_run_page_compares_a_sweep_by_the_differing_parameter(admin: UserWindow, stage: Stage) -> None:
    run = stage.begin("sweep")
    assert run.end() == "success"
    frame = admin.open_frame(f"/dags/sweep/runs/{quote(run.run_id)}/plugin/dlaas-run", "/dlaas/run")
    expect(frame.get_by_role("columnheader", name="learningRate")).to_be_visible()
    expect(frame.get_by_role("rowheader")).to_have_count(4)
    expect(frame.locator("canvas")).to_be_visible()
    expect(frame.get_by_text("…", exact=True)).to_have_count(0)  # every curve is loaded
    admin.take_screenshot("comparison")


def test_viewer_sees_the_training_and_cannot_cancel(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    with logged_in(browser, stage.airflow, VIEWER, pictures) as window:
        frame = window.open_tab(growing.dag_id, growing.run_id)
        expect(frame.locator(".state-running")).to_be_visible()
        expect(frame.get_by_role("button", name="Cancel training")).to_have_count(0)
        assert request_cancel(window, growing) == 403
    assert growing.state() == "deferred"


def test_user_without_read_permission_sees_nothing_of_the_dag(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    with logged_in(browser, stage.airflow, STRANGER, pictures) as window:
        query = f"dag_id={growing.dag_id}&run_id={quote(growing.run_id)}&task_id=train&map_index=-1"
        window.page.goto(f"{stage.airflow.url}/dlaas/task?{query}")
        expect(window.page.get_by_role("status")).to_contain_text("Forbidden")
        training = growing.trainings()[0].id
        for path in ("curves", "log", "log/download", "usage", "failure", "results", "results/download"):
            url = f"{stage.airflow.url}/dlaas/api/{path}?{query}&training_id={training}&name=x.txt"
            assert window.context.request.get(url).status == 403
        listing = window.context.request.get(f"{stage.airflow.url}/dlaas/api/trainings").json()
        assert growing.run_id not in {row["ref"]["run_id"] for row in listing["trainings"]}
        assert request_cancel(window, growing) == 403
    with logged_in(browser, stage.airflow, VIEWER, pictures) as window:
        listing = window.context.request.get(f"{stage.airflow.url}/dlaas/api/trainings").json()
        assert growing.run_id in {row["ref"]["run_id"] for row in listing["trainings"]}


def test_request_without_login_is_refused(stage: Stage, growing: Run) -> None:
    for path in ("trainings", f"dag?dag_id={growing.dag_id}", f"task?dag_id={growing.dag_id}&run_id=a&task_id=b"):
        assert requests.get(f"{stage.airflow.url}/dlaas/api/{path}", timeout=30).status_code == 401


def test_task_page_fits_a_narrow_window_in_dark_mode(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    narrow = {"width": 380, "height": 800}
    with logged_in(browser, stage.airflow, "admin", pictures, color_scheme="dark", viewport=narrow) as window:
        query = f"dag_id={growing.dag_id}&run_id={quote(growing.run_id)}&task_id=train"
        window.page.goto(f"{stage.airflow.url}/dlaas/task?{query}")
        expect(window.page.get_by_role("log")).to_be_visible()
        assert window.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert window.page.evaluate("document.documentElement.scrollWidth") <= narrow["width"]
        window.take_screenshot("narrow-dark")


def test_cancel_asks_for_confirmation_and_works_by_keyboard(admin: UserWindow, stage: Stage) -> None:
    run = stage.begin("hold_here", GROWS)
    training = eventually(lambda: run.trainings()[0] if run.trainings() else None, run.describe)
    frame = admin.open_tab(run.dag_id, run.run_id)
    button = frame.get_by_role("button", name="Cancel training")
    button.focus()
    admin.page.keyboard.press("Enter")
    dialog = frame.get_by_role("dialog")
    expect(dialog).to_be_visible()
    admin.page.keyboard.press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert not stage.client.send(calls.get_training(training.id)).status.cancel_requested
    admin.page.keyboard.press("Enter")
    admin.page.keyboard.press("Tab")
    expect(dialog.get_by_role("button", name="Cancel the training")).to_be_focused()
    admin.page.keyboard.press("Enter")
    assert run.ended(training).state == "canceled"
    # The next try of the task submits a new training, and the page shows it; the canceled one can be selected.
    again = eventually(lambda: run.trainings()[1] if len(run.trainings()) > 1 else None, run.describe)
    expect(frame.locator(".task-id")).to_have_text(again.id)
    frame.get_by_label("Try").select_option(training.id)
    expect(frame.locator(".state-canceled")).to_be_visible()
    run.mark("failed")
    assert run.ended(again).state == "canceled"


def test_task_page_keeps_its_data_while_the_service_does_not_answer(
    admin: UserWindow, growing: Run, live_service: ServiceProcess
) -> None:
    frame = admin.open_tab(growing.dag_id, growing.run_id)
    expect(frame.get_by_role("log")).to_contain_text("Iter")
    expect(metric_charts(frame)).to_have_count(2)  # loaded before the service stops
    with suspended(live_service):
        expect(frame.locator(".notice").first).to_be_visible()
        expect(metric_charts(frame)).to_have_count(2)
        admin.take_screenshot("service-away")
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.locator(".state-running")).to_be_visible()


def test_task_page_shows_the_task_s_summary_of_a_deleted_training(admin: UserWindow, stage: Stage) -> None:
    run = stage.begin("hold_deferred", TRAIN.format(rate=0.01))
    assert run.end() == "success"
    training = run.trainings()[0]
    assert run.xcom("metrics")["validation/accuracy"] > 0.8
    stage.client.send(calls.delete_training(training.id))
    frame = admin.open_tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-completed")).to_be_visible()
    expect(metric_charts(frame)).to_have_count(2)
    expect(frame.locator(".notice").first).to_contain_text("the summary that the task stored")


@contextmanager
def suspended(service: ServiceProcess) -> Iterator[None]:
    """Suspend the service's process, so that it answers no request."""
    assert service._service_guard is not None
    (process,) = (one for one in psutil.Process(service._service_guard.pid).children() if "serve" in one.cmdline())
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def request_cancel(window: UserWindow, run: Run) -> int:
    """Send the page's request to cancel the training of *run*; return the response's status."""
    reply = window.context.request.post(
        f"{window.airflow.url}/dlaas/api/cancel?dag_id={run.dag_id}",
        data={"run_id": run.run_id, "task_id": "train", "map_index": -1, "training_id": run.trainings()[0].id},
    )
    return reply.status
