"""What else the pages in Airflow's UI promise: whom they are for, whose training they show, what they live through."""

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
from tests.system.browser import Look, looking, shown_step
from tests.system.dags.watch import GROWS, RATES, TRAIN
from tests.system.stage import SURVIVES, Run, Stage, eventually, survivor

pytestmark = pytest.mark.slow

STANDARDS = ["wcag2a", "wcag2aa", "wcag21a", "wcag21aa"]

AXE = """
async (standards) => {
  const told = await axe.run(document, { runOnly: { type: "tag", values: standards } });
  return {
    violations: told.violations.flatMap((rule) =>
      rule.nodes.map((node) => `${rule.id}: ${node.html} ${node.failureSummary}`),
    ),
    passes: told.passes.map((rule) => rule.id),
  };
}
"""

MOST_TABS = 150
"""Presses of the Tab key after which what is not reached counts as out of reach; Airflow's own page needs some."""


@pytest.fixture(scope="module")
def axe(ui: Path) -> str:
    """The script that knows what shuts people out of a page."""
    return (ui / "node_modules" / "axe-core" / "axe.min.js").read_text()


@pytest.fixture(scope="module")
def swept(stage: Stage) -> Run:
    """A sweep that has ended; the service still knows its trainings."""
    run = stage.begin("sweep")
    assert run.end() == "success"
    return run


def page_of(name: str, run: Run, **more: str | int) -> str:
    """Tell the address of one of our pages, outside of Airflow's frame."""
    return f"{run.stage.airflow.url}/dlaas/{name}?{urlencode({'dag_id': run.dag_id, 'run_id': run.run_id, **more})}"


def barriers(page: Page, axe: str) -> list[str]:
    """What in *page*, as it looks now, is a barrier by `STANDARDS`."""
    page.evaluate(axe)
    told = page.evaluate(AXE, STANDARDS)
    assert "color-contrast" in told["passes"]
    return list(told["violations"])


@pytest.mark.parametrize("what", ["running", "asked to cancel", "finished", "run", "dag", "trainings"])
def test_no_page_shuts_anybody_out_in_light_or_dark(what: str, admin: Look, growing: Run, swept: Run, axe: str) -> None:
    page, running = admin.page, what in {"running", "asked to cancel"}
    if running or what == "finished":
        run, index = (growing, -1) if running else (swept, 2)
        page.goto(page_of("task", run, task_id="train", map_index=index))
        expect(page.get_by_role("figure")).to_have_count(2)
        expect(page.get_by_role("log")).to_contain_text("Iter")
    else:
        page.goto(page_of(what, swept))
        expect(page.get_by_role("table")).to_be_visible()
    if what == "run":
        expect(page.get_by_text("…", exact=True)).to_have_count(0)
    if what == "asked to cancel":
        page.get_by_role("button", name="Cancel training").click()
    found = {}
    for scheme in ("light", "dark"):
        page.emulate_media(color_scheme=scheme)
        expect(page.locator(f"html[data-theme={scheme}]")).to_be_attached()
        found[scheme] = barriers(page, axe)
    assert found == {"light": [], "dark": []}


def test_times_are_in_the_zone_that_is_chosen_in_airflow(
    browser: Browser, stage: Stage, growing: Run, pictures: Path
) -> None:
    submitted = growing.trainings()[0].status.submitted_at
    with looking(browser, stage.airflow, "admin", pictures, timezone_id="America/New_York") as look:
        choose_zone(look.page, "Asia/Tokyo")
        frame = look.tab(growing.dag_id, growing.run_id)
        expect(frame.locator("dt:text-is('Submitted') + dd")).to_have_text(spelled(submitted, "Asia/Tokyo"))
        frame = look.frame("/plugin/dlaas-trainings", "/dlaas/trainings")
        row = frame.get_by_role("row").filter(has_text=growing.run_id)
        expect(row.get_by_role("cell", name=spelled(submitted, "Asia/Tokyo"))).to_be_visible()


def test_the_tab_of_a_mapped_task_instance_shows_its_own_training(admin: Look, swept: Run) -> None:
    airflow, shown = swept.stage.airflow, set()
    for index, rate in enumerate(RATES):
        mine = airflow.api.xcom(swept.dag_id, swept.run_id, "train", TRAINING_XCOM_KEY, map_index=index)["id"]
        frame = admin.tab(swept.dag_id, swept.run_id, map_index=index)
        expect(frame.locator(".task-id")).to_have_text(mine)
        expect(frame.get_by_role("row", name=f"learningRate {rate}", exact=True)).to_be_visible()
        training = swept.stage.client.send(calls.get_training(mine))
        assert training.entity.model_definition.execution.command == TRAIN.format(rate=rate)
        expect(frame.get_by_role("log")).to_contain_text(swept.command_log(training).splitlines()[-1])
        shown.add(mine)
    assert len(shown) == len(RATES)


def test_a_curve_grows_while_a_worker_waits_and_stays_when_the_task_has_ended(admin: Look, stage: Stage) -> None:
    run = stage.begin("hold_here", GROWS)
    training = eventually(lambda: run.trainings()[0] if run.trainings() else None, run.told)
    frame = admin.tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    expect(frame.get_by_role("figure")).to_have_count(2)
    slider = frame.get_by_role("slider").last
    points = slider.get_attribute("aria-valuemax")
    expect(slider).not_to_have_attribute("aria-valuemax", str(points))
    assert run.state() == "running"
    link = own_page_link(admin, run)
    assert run.state() == "running"  # Airflow itself would show the link only now
    link.click()
    expect(admin.page).to_have_url(re.compile("/plugin/dlaas-training"))
    frame = admin.tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-running")).to_be_visible()
    run.let_go(training)
    expect(frame.locator(".state-completed")).to_be_visible()  # without reloading
    assert run.end() == "success"
    frame = admin.tab(run.dag_id, run.run_id)
    expect(frame.locator(".state-completed")).to_be_visible()
    expect(frame.get_by_role("figure")).to_have_count(2)
    expect(frame.get_by_role("log")).to_contain_text(run.command_log(training).splitlines()[-1])
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.get_by_role("button", name="Cancel training")).to_have_count(0)


def test_a_service_that_stops_and_starts_again_is_said_to_be_away_and_followed_on(
    admin: Look, airflow: RealAirflow, own_service: ServiceProcess, tmp_path: Path
) -> None:
    own_service.start()
    run_id, training = survivor(airflow, own_service, tmp_path / "workspace", steps=600)
    frame = admin.tab(SURVIVES, run_id)
    log = frame.get_by_role("log")
    expect(log).to_contain_text("Iter")
    expect(frame.get_by_role("figure")).to_have_count(1)
    before, answered = shown_step(log.inner_text()), len(admin.answers)
    own_service.stop()
    expect(frame.locator(".notice").first).to_be_visible()
    # All that is asked for has been asked for in vain, and again.
    for kind in ("task", "curves", "log"):
        admin.wait_for_answers(f"/dlaas/api/{kind}?", 2, since=answered)
    expect(frame.locator(".notice").first).to_be_visible()
    expect(frame.locator(".task-id")).to_have_text(training.id)
    expect(frame.get_by_role("figure")).to_have_count(1)
    assert shown_step(log.inner_text()) >= before
    admin.picture("service-stopped")
    own_service.start()
    expect(frame.locator(".notice")).to_have_count(0)
    expect(frame.locator(".state-running")).to_be_visible()
    later = shown_step(log.inner_text())
    eventually(lambda: shown_step(log.inner_text()) > later or None)
    secrets = [known["password"] for known in own_service.connections().values()]
    bodies = [one.text() for one in admin.answers[answered:] if one.request.resource_type in {"fetch", "xhr"}]
    assert len(bodies) >= 6
    assert not any(secret in body for secret in secrets for body in bodies)
    with own_service.client() as client:
        client.send(calls.cancel_training(training.id))
    airflow.api.wait_for_run(SURVIVES, run_id, timeout=90)


def test_cancel_is_reached_by_the_tab_key_alone_and_gets_the_focus_back(admin: Look, growing: Run) -> None:
    frame, press = admin.tab(growing.dag_id, growing.run_id), admin.page.keyboard.press
    button, dialog = frame.get_by_role("button", name="Cancel training"), frame.get_by_role("dialog")
    expect(button).to_be_visible()
    focused = "button => document.hasFocus() && document.activeElement === button"
    for _ in range(MOST_TABS):
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


def own_page_link(admin: Look, run: Run) -> Locator:
    """Open Airflow's own page of the task, and find the link among what it calls extra links."""
    admin.page.goto(f"{run.stage.airflow.url}/dags/{run.dag_id}/runs/{quote(run.run_id)}/tasks/train/details")
    link = admin.page.locator("a[rel~=noopener]", has_text=re.compile("^Training$"))
    expect(link).to_be_visible()
    return link


def choose_zone(page: Page, zone: str) -> None:
    """Choose the zone that times are shown in, behind the button of Airflow's own that tells the one there is."""
    page.get_by_role("button", name=re.compile(r"^[+-]\d\d:\d\d$")).click()
    dialog = page.get_by_role("dialog")
    dialog.get_by_role("combobox").fill(zone)
    page.keyboard.press("Enter")
    expect(dialog).to_contain_text(f"{zone}:")


def spelled(moment: datetime, zone: str) -> re.Pattern[str]:
    """How the pages write *moment* in *zone*, whatever they call the month."""
    there = moment.astimezone(ZoneInfo(zone))
    return re.compile(rf"^{there.day} \w+ {there:%Y, %H:%M}$")
