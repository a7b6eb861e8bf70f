"""A real browser that looks at a real Airflow."""

from __future__ import annotations

import json
import os
import re
import shutil
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from urllib.parse import quote, urlsplit

import pytest
from playwright.sync_api import Browser, BrowserContext, Frame, Page, Response, expect, sync_playwright

from airflow_dlaas.demo.airflow_processes import RealAirflow

PATIENCE = 60_000
"""Milliseconds until something that takes some counts as never happening."""

expect.set_options(timeout=PATIENCE)

QUIET = (
    "--no-sandbox",  # as root there is none
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def a_browser() -> Iterator[Browser]:
    """Start the distribution's Chromium; without one, the test is skipped, but not in CI."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("There is no Chromium to look with")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(QUIET))
        yield browser
        browser.close()


@dataclass
class Look:
    """One user's window on Airflow."""

    airflow: RealAirflow
    context: BrowserContext
    page: Page
    pictures: Path
    asked: list[str] = field(default_factory=list)
    """The addresses of all requests, answered or not."""
    answers: list[Response] = field(default_factory=list)

    def tab(self, dag_id: str, run_id: str, task_id: str = "train", map_index: int = -1) -> Frame:
        """Open a task's "Training" tab by Airflow's own address, and return the frame in it."""
        mapped = "" if map_index < 0 else f"/mapped/{map_index}"
        way = f"/dags/{quote(dag_id)}/runs/{quote(run_id)}/tasks/{quote(task_id)}{mapped}/plugin/dlaas-training"
        return self.frame(way, "/dlaas/task")

    def frame(self, way: str, address: str) -> Frame:
        """Go to *way* and wait for the frame whose address has *address* in it."""
        self.page.goto(self.airflow.url + way)
        frame = self.page.wait_for_selector(f'iframe[src*="{address}"]', timeout=PATIENCE).content_frame()
        assert frame is not None
        frame.wait_for_selector("main > *", timeout=PATIENCE)
        return frame

    def wait_for_answers(self, address: str, number: int, *, since: int) -> None:
        """Wait until, after the first *since* answers, *number* came from addresses with *address* in them."""
        until = time.monotonic() + PATIENCE / 1000
        while sum(address in one.url for one in self.answers[since:]) < number:
            assert time.monotonic() < until, [one.url for one in self.answers[since:]]
            self.page.wait_for_timeout(200)

    def picture(self, name: str) -> None:
        """Keep what is seen now."""
        self.page.screenshot(path=str(self.pictures / f"{name}.png"))

    def hosts(self) -> set[str]:
        """The hosts that were asked for anything."""
        return {urlsplit(one).netloc for one in self.asked if one.startswith("http")}


@contextmanager
def looking(browser: Browser, airflow: RealAirflow, user: str, pictures: Path, **options: object) -> Iterator[Look]:
    """Log in as *user*, by the form that Airflow shows."""
    password = json.loads((airflow.home / "passwords.json").read_text())[user]
    context = browser.new_context(**{"viewport": {"width": 1500, "height": 1050}, **options})
    page = context.new_page()
    page.set_default_timeout(PATIENCE)
    look = Look(airflow, context, page, pictures)
    page.on("request", lambda request: look.asked.append(request.url))
    page.on("response", lambda answer: look.answers.append(answer))
    page.goto(f"{airflow.url}/auth/login")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/" not in url)
    try:
        yield look
    finally:
        context.close()


def shown_step(text: str) -> int:
    """The last step a log or a chart shows."""
    return max((int(one) for one in re.findall(r"Iter (\d+)", text)), default=0)
