"""Trainings in Airflow's UI: a real browser on a real Airflow, while a real training runs."""

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
from tests.system.browser import Look, looking, shown_step
from tests.system.dags.watch import GROWS, TRAIN
from tests.system.stage import Run, Stage, eventually

pytestmark = pytest.mark.slow


def test_the_curve_grows_and_the_log_follows_without_reloading(admin: Look, growing: Run) -> None:
    frame = admin.tab(growing.dag_id, growing.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    expect(frame.get_by_role("figure")).to_have_count(2)
    log, slider = frame.get_by_role("log"), frame.get_by_role("slider").last
    expect(log).to_contain_text("Iter")
    first, length = shown_step(log.inner_text()), slider.get_attribute("aria-valuemax")
    eventually(lambda: shown_step(log.inner_text()) > first or None)
    expect(slider).not_to_have_attribute("aria-valuemax", str(length))
    expect(frame.locator(".chart").first).to_contain_text("validation")
    admin.picture("training-tab")
    assert admin.hosts() == {admin.airflow.url.removeprefix("http://")}


def test_no_password_reaches_the_browser(admin: Look, growing: Run, live_service: ServiceProcess) -> None:
    frame = admin.tab(growing.dag_id, growing.run_id)
    expect(frame.get_by_role("log")).to_contain_text("Iter")
    secrets = [known["password"] for known in live_service.connections().values()]
    bodies = [one.text() for one in admin.answers if "/dlaas/" in one.url]
    assert len(bodies) >= 4
    assert not any(secret in body for secret in secrets for body in bodies)


def test_a_search_finds_what_has_long_scrolled_away(admin: Look, growing: Run) -> None:
    frame = admin.tab(growing.dag_id, growing.run_id)
    frame.get_by_label("Search").fill("iter 17,")
    frame.get_by_role("button", name="Find").click()
    expect(frame.locator(".found")).to_contain_text("Iter 17, Minibatch Loss")


def test_the_trainings_of_a_run_of_a_dag_and_of_all_are_listed(admin: Look, growing: Run) -> None:
    run = f"/dags/{growing.dag_id}/runs/{quote(growing.run_id)}/plugin/dlaas-run"
    for way, address in (
        (run, "/dlaas/run"),
        (f"/dags/{growing.dag_id}/plugin/dlaas-dag", "/dlaas/dag"),
        ("/plugin/dlaas-trainings", "/dlaas/trainings"),
    ):
        frame = admin.frame(way, address)
        expect(frame.get_by_role("table").get_by_text("running").first).to_be_visible()
        admin.picture(address.rsplit("/", 1)[-1])


def test_a_sweep_is_compared_best_first_by_what_its_runs_differ_in(admin: Look, stage: Stage) -> None:
    run = stage.begin("sweep")
    assert run.end() == "success"
    frame = admin.frame(f"/dags/sweep/runs/{quote(run.run_id)}/plugin/dlaas-run", "/dlaas/run")
    expect(frame.get_by_role("columnheader", name="learningRate")).to_be_visible()
    expect(frame.get_by_role("rowheader")).to_have_count(4)
    expect(frame.locator("canvas")).to_be_visible()
    expect(frame.get_by_text("…", exact=True)).to_have_count(0)  # each curve has come
    admin.picture("comparison")


def test_a_viewer_sees_and_can_not_cancel(browser: Browser, stage: Stage, growing: Run, pictures: Path) -> None:
    with looking(browser, stage.airflow, VIEWER, pictures) as look:
        frame = look.tab(growing.dag_id, growing.run_id)
        expect(frame.locator(".state-running")).to_be_visible()
        expect(frame.get_by_role("button", name="Cancel training")).to_have_count(0)
        assert canceled(look, growing) == 403
    assert growing.state() == "deferred"


def test_who_may_not_read_the_dag_sees_nothing_of_it(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    with looking(browser, stage.airflow, STRANGER, pictures) as look:
        query = f"dag_id={growing.dag_id}&run_id={quote(growing.run_id)}&task_id=train&map_index=-1"
        look.page.goto(f"{stage.airflow.url}/dlaas/task?{query}")
        expect(look.page.get_by_role("status")).to_contain_text("Forbidden")
        training = growing.trainings()[0].id
        for what in (f"curves?{query}&training_id={training}", f"log?{query}&training_id={training}&tail=100"):
            assert look.context.request.get(f"{stage.airflow.url}/dlaas/api/{what}").status == 403
        listing = look.context.request.get(f"{stage.airflow.url}/dlaas/api/trainings").json()
        assert growing.run_id not in {row["ref"]["run_id"] for row in listing["trainings"]}
        assert canceled(look, growing) == 403
    with looking(browser, stage.airflow, VIEWER, pictures) as look:
        listing = look.context.request.get(f"{stage.airflow.url}/dlaas/api/trainings").json()
        assert growing.run_id in {row["ref"]["run_id"] for row in listing["trainings"]}


def test_who_has_not_logged_in_is_told_nothing(stage: Stage, growing: Run) -> None:
    for what in ("trainings", f"dag?dag_id={growing.dag_id}", f"task?dag_id={growing.dag_id}&run_id=a&task_id=b"):
        assert requests.get(f"{stage.airflow.url}/dlaas/api/{what}", timeout=30).status_code == 401


def test_dark_mode_and_a_narrow_window(browser: Browser, stage: Stage, growing: Run, pictures: Path) -> None:
    narrow = {"width": 380, "height": 800}
    with looking(browser, stage.airflow, "admin", pictures, color_scheme="dark", viewport=narrow) as look:
        query = f"dag_id={growing.dag_id}&run_id={quote(growing.run_id)}&task_id=train"
        look.page.goto(f"{stage.airflow.url}/dlaas/task?{query}")
        expect(look.page.get_by_role("log")).to_be_visible()
        assert look.page.evaluate("document.documentElement.dataset.theme") == "dark"
        assert look.page.evaluate("document.documentElement.scrollWidth") <= narrow["width"]
        look.picture("narrow-dark")


def test_cancel_asks_first_and_then_cancels_by_keyboard_alone(admin: Look, stage: Stage) -> None:
    run = stage.begin("hold_here", GROWS)
    training = eventually(lambda: run.trainings()[0] if run.trainings() else None, run.told)
    frame = admin.tab(run.dag_id, run.run_id)
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
    # The task's next try trains anew, and the page shows that; the canceled one can be chosen.
    again = eventually(lambda: run.trainings()[1] if len(run.trainings()) > 1 else None, run.told)
    expect(frame.locator(".task-id")).to_have_text(again.id)
    frame.get_by_label("Try").select_option(training.id)
    expect(frame.locator(".state-canceled")).to_be_visible()
    run.mark("failed")
    assert run.ended(again).state == "canceled"


def test_the_page_survives_the_service_being_away(admin: Look, growing: Run, live_service: ServiceProcess) -> None:
    frame = admin.tab(growing.dag_id, growing.run_id)
    expect(frame.get_by_role("log")).to_contain_text("Iter")
    expect(frame.get_by_role("figure")).to_have_count(2)  # only what has come before can stay
    with away(live_service):
        expect(frame.locator(".notice").first).to_be_visible()
        expect(frame.get_by_role("figure")).to_have_count(2)
        admin.picture("service-away")
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.locator(".state-running")).to_be_visible()


def test_what_the_task_has_kept_is_shown_when_the_service_has_forgotten(admin: Look, stage: Stage) -> None:
    run = stage.begin("hold_deferred", TRAIN.format(rate=0.01))
    assert run.end() == "success"
    training = run.trainings()[0]
    assert run.xcom("metrics")["validation/accuracy"] > 0.8
    stage.client.send(calls.delete_training(training.id))
    frame = admin.tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-completed")).to_be_visible()
    expect(frame.get_by_role("figure")).to_have_count(2)
    expect(frame.locator(".notice").first).to_contain_text("what the task has kept")


@contextmanager
def away(service: ServiceProcess) -> Iterator[None]:
    """Let the service stand still, and answer nobody."""
    assert service._service_guard is not None
    (process,) = (one for one in psutil.Process(service._service_guard.pid).children() if "serve" in one.cmdline())
    process.suspend()
    try:
        yield
    finally:
        process.resume()


def canceled(look: Look, run: Run) -> int:
    """Ask for the end of a run's training as the page would; the status of the answer."""
    reply = look.context.request.post(
        f"{look.airflow.url}/dlaas/api/cancel?dag_id={run.dag_id}",
        data={"run_id": run.run_id, "task_id": "train", "map_index": -1, "training_id": run.trainings()[0].id},
    )
    return reply.status
