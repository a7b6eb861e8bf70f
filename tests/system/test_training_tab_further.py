"""Further guarantees of the pages in Airflow's UI: accessibility, time zones, mapped tasks, restarts."""

from __future__ import annotations

import re
from datetime import datetime
from pathlib import Path
from urllib.parse import quote, urlencode
from zoneinfo import ZoneInfo

import pytest
from playwright.sync_api import Browser, Locator, Page, expect

from airflow_dlaas.client import calls
from airflow_dlaas.demo.airflow_processes import RealAirflow
from airflow_dlaas.task_runs.run_key import TRAINING_XCOM_KEY
from tests.conftest import ServiceProcess
from tests.system.accessibility import violations_in_both_themes
from tests.system.browser import UserWindow, last_step, logged_in, metric_charts
from tests.system.dags.watch import GROWS, RATES, TRAIN
from tests.system.stage import SURVIVES, Run, Stage, eventually, survivor

pytestmark = pytest.mark.slow

MAX_TAB_PRESSES = 150
"""Presses of the Tab key within which the button must have the focus; Airflow's own page takes some of them."""


@pytest.fixture(scope="module")
def axe(ui: Path) -> str:
    """Return the script of axe-core, which finds barriers in a page."""
    return (ui / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def swept(stage: Stage) -> Run:
    """Return a finished sweep whose trainings the service still has."""
    run = stage.begin("sweep")
    assert run.end() == "success"
    return run


def page_url(name: str, run: Run, **more: str | int) -> str:
    """Return the URL of a page without Airflow around it."""
    return f"{run.stage.airflow.url}/dlaas/{name}?{urlencode({'dag_id': run.dag_id, 'run_id': run.run_id, **more})}"


@pytest.mark.parametrize("view", ["running", "cancel dialog", "finished", "run", "dag", "trainings"])
def test_page_has_no_accessibility_violation_in_light_and_dark(
    view: str, admin: UserWindow, growing: Run, swept: Run, axe: str
) -> None:
    page, running = admin.page, view in {"running", "cancel dialog"}
    if running or view == "finished":
        run, index = (growing, -1) if running else (swept, 2)
        page.goto(page_url("task", run, task_id="train", map_index=index))
        expect(metric_charts(page)).to_have_count(2)
        expect(page.get_by_role("log")).to_contain_text("Iter")
    else:
        page.goto(page_url(view, swept))
        expect(page.get_by_role("table")).to_be_visible()
    if view == "run":
        expect(page.get_by_text("…", exact=True)).to_have_count(0)
    if view == "cancel dialog":
        page.get_by_role("button", name="Cancel training").click()
    assert violations_in_both_themes(page, axe) == {"light": [], "dark": []}


def test_times_are_in_the_time_zone_selected_in_airflow(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    submitted = growing.trainings()[0].status.submitted_at
    with logged_in(browser, stage.airflow, "admin", pictures, timezone_id="America/New_York") as window:
        choose_zone(window.page, "Asia/Tokyo")
        frame = window.open_tab(growing.dag_id, growing.run_id)
        expect(frame.locator("dt:text-is('Submitted') + dd")).to_have_text(
            displayed_exact_time(submitted, "Asia/Tokyo")
        )
        frame = window.open_frame("/plugin/dlaas-trainings", "/dlaas/trainings")
        row = frame.get_by_role("row").filter(has_text=growing.run_id)
        expect(row.get_by_role("cell", name=displayed_time(submitted, "Asia/Tokyo"))).to_be_visible()


def test_tab_of_a_mapped_task_instance_shows_its_own_training(admin: UserWindow, swept: Run) -> None:
    airflow, shown = swept.stage.airflow, set()
    for index, rate in enumerate(RATES):
        training_id = airflow.api.xcom(swept.dag_id, swept.run_id, "train", TRAINING_XCOM_KEY, map_index=index)["id"]
        frame = admin.open_tab(swept.dag_id, swept.run_id, map_index=index)
        expect(frame.locator(".task-id")).to_have_text(training_id)
        expect(frame.get_by_role("row", name=f"learningRate {rate}", exact=True)).to_be_visible()
        training = swept.stage.client.send(calls.get_training(training_id))
        assert training.entity.model_definition.execution.command == TRAIN.format(rate=rate)
        expect(frame.get_by_role("log")).to_contain_text(swept.command_log(training).splitlines()[-1])
        shown.add(training_id)
    assert len(shown) == len(RATES)


def test_curve_grows_while_a_worker_waits_and_stays_after_the_task(admin: UserWindow, stage: Stage) -> None:
    run = stage.begin("hold_here", GROWS)
    training = eventually(lambda: run.trainings()[0] if run.trainings() else None, run.describe)
    frame = admin.open_tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    expect(metric_charts(frame)).to_have_count(2)
    slider = metric_charts(frame).get_by_role("slider").last
    points = slider.get_attribute("aria-valuemax")
    expect(slider).not_to_have_attribute("aria-valuemax", str(points))
    assert run.state() == "running"
    link = operator_link(admin, run)
    assert run.state() == "running"  # Airflow itself shows an operator link only after the task
    link.click()
    expect(admin.page).to_have_url(re.compile("/plugin/dlaas-training"))
    frame = admin.open_tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    run.release(training)
    expect(frame.locator(".state-completed")).to_be_visible()  # without reloading
    assert run.end() == "success"
    frame = admin.open_tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-completed")).to_be_visible()
    expect(metric_charts(frame)).to_have_count(2)
    expect(frame.get_by_role("log")).to_contain_text(run.command_log(training).splitlines()[-1])
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.get_by_role("button", name="Cancel training")).to_have_count(0)


def test_task_page_reports_a_stopped_service_and_goes_on_after_its_restart(
    admin: UserWindow, airflow: RealAirflow, own_service: ServiceProcess, tmp_path: Path
) -> None:
    own_service.start()
    run_id, training = survivor(airflow, own_service, tmp_path / "workspace", steps=600)
    frame = admin.open_tab(SURVIVES, run_id)
    log = frame.get_by_role("log")
    expect(log).to_contain_text("Iter")
    expect(metric_charts(frame)).to_have_count(1)
    before, answered = last_step(log.inner_text()), len(admin.responses)
    own_service.stop()
    expect(frame.locator(".notice").first).to_be_visible()
    # Every kind of request has failed and was retried.
    for kind in ("task", "curves", "log"):
        admin.wait_for_responses(f"/dlaas/api/{kind}?", 2, since=answered)
    expect(frame.locator(".notice").first).to_be_visible()
    expect(frame.locator(".task-id")).to_have_text(training.id)
    expect(metric_charts(frame)).to_have_count(1)
    assert last_step(log.inner_text()) >= before
    admin.take_screenshot("service-stopped")
    own_service.start()
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.locator(".state-running")).to_be_visible()
    later = last_step(log.inner_text())
    eventually(lambda: last_step(log.inner_text()) > later or None)
    secrets = [known["password"] for known in own_service.connections().values()]
    bodies = [one.text() for one in admin.responses[answered:] if one.request.resource_type in {"fetch", "xhr"}]
    assert len(bodies) >= 6
    assert not any(secret in body for secret in secrets for body in bodies)
    with own_service.client() as client:
        client.send(calls.cancel_training(training.id))
    airflow.api.wait_for_run(SURVIVES, run_id, timeout=90)


def test_cancel_button_is_reached_by_the_tab_key_and_gets_the_focus_back(admin: UserWindow, growing: Run) -> None:
    frame, press = admin.open_tab(growing.dag_id, growing.run_id), admin.page.keyboard.press
    button, dialog = frame.get_by_role("button", name="Cancel training"), frame.get_by_role("dialog")
    expect(button).to_be_visible()
    focused = "button => document.hasFocus() && document.activeElement === button"
    for _ in range(MAX_TAB_PRESSES):
        press("Tab")
        if button.evaluate(focused):
            break
    expect(button).to_be_focused()
    press("Enter")
    expect(dialog).to_be_visible()
    expect(dialog.get_by_role("button", name="Keep it running")).to_be_focused()
    press("Escape")
    expect(dialog).to_be_hidden()
    expect(button).to_be_focused()
    assert not growing.stage.client.send(calls.get_training(growing.trainings()[0].id)).status.cancel_requested


def operator_link(admin: UserWindow, run: Run) -> Locator:
    """Open Airflow's own page of the task, and return our link among its extra links."""
    admin.page.goto(f"{run.stage.airflow.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/train/details")
    link = admin.page.locator("a[rel~=noopener]", has_text=re.compile("^Training$"))
    expect(link).to_be_visible()
    return link


def choose_zone(page: Page, zone: str) -> None:
    """Select the time zone in Airflow's dialog, which opens by the button with the current offset."""
    page.get_by_role("button", name=re.compile(r"^[+-]\d\d:\d\d$")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill(zone)
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text(f"{zone}:")


def displayed_time(moment: datetime, zone: str) -> re.Pattern[str]:
    """Return a pattern of *moment* in *zone* as lists show it, with any name of the month."""
    return re.compile(_time_pattern(moment, zone, "%H:%M") + "$")


def displayed_exact_time(moment: datetime, zone: str) -> re.Pattern[str]:
    """Like `displayed_time`, as the Training tab shows it: with seconds and any name of the zone."""
    return re.compile(_time_pattern(moment, zone, "%H:%M:%S") + r" \S+$")


def _time_pattern(moment: datetime, zone: str, time: str) -> str:
    local = moment.astimezone(ZoneInfo(zone))
    return rf"^{local.day} \w+ {local:%Y}, {local.strftime(time)}"
