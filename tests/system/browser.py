"""A real browser in front of a real Airflow."""

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
from playwright.sync_api import Browser, BrowserContext, Frame, Locator, Page, Response, expect, sync_playwright

from airflow_dlaas.demo.airflow_processes import RealAirflow

TIMEOUT = 60_000
"""Milliseconds after which an expected change counts as missing."""

expect.set_options(timeout=TIMEOUT)

CHROMIUM_OPTIONS = (
    "--no-sandbox",  # Chromium has no sandbox for root
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
)


@contextmanager
def launch_browser() -> Iterator[Browser]:
    """Start the distribution's Chromium. Without one, skip the test; in CI, fail it."""
    path = shutil.which("chromium") or shutil.which("chromium-browser") or shutil.which("google-chrome")
    if path is None:
        if os.environ.get("CI"):
            pytest.fail("Chromium is not installed")
        pytest.skip("Chromium is not installed: apt-get install chromium")
    with sync_playwright() as playwright:
        browser = playwright.chromium.launch(executable_path=path, args=list(CHROMIUM_OPTIONS))
        yield browser
        browser.close()


@dataclass
class UserWindow:
    """A browser window in which one user is logged in to Airflow."""

    airflow: RealAirflow
    context: BrowserContext
    page: Page
    screenshots: Path
    requested_urls: list[str] = field(default_factory=list)
    """The URLs of all requests, also of those without a response."""
    responses: list[Response] = field(default_factory=list)

    def open_tab(self, dag_id: str, run_id: str, task_id: str = "train", map_index: int = -1) -> Frame:
        """Open a task's "Training" tab by Airflow's own URL, and return the frame in it."""
        mapped = "" if map_index < 0 else f"/mapped/{map_index}"
        path = f"/dags/{quote(dag_id)}/runs/{quote(run_id)}/tasks/{quote(task_id)}{mapped}/plugin/dlaas-training"
        return self.open_frame(path, "/dlaas/task")

    def open_frame(self, path: str, iframe_url: str) -> Frame:
        """Go to *path* and wait for the frame whose URL contains *iframe_url*."""
        self.page.goto(self.airflow.url + path)
        frame = self.page.wait_for_selector(f'iframe[src*="{iframe_url}"]', timeout=TIMEOUT).content_frame()
        assert frame is not None
        frame.wait_for_selector("main > *", timeout=TIMEOUT)
        return frame

    def wait_for_responses(self, url_part: str, number: int, *, since: int) -> None:
        """Wait until *number* responses, after the first *since*, have a URL that contains *url_part*."""
        deadline = time.monotonic() + TIMEOUT / 1000
        while sum(url_part in one.url for one in self.responses[since:]) < number:
            assert time.monotonic() < deadline, [one.url for one in self.responses[since:]]
            self.page.wait_for_timeout(200)

    def take_screenshot(self, name: str) -> None:
        """Save a screenshot of the window as *name*."""
        self.page.screenshot(path=str(self.screenshots / f"{name}.png"))

    def requested_hosts(self) -> set[str]:
        """Return the hosts that received a request."""
        return {urlsplit(one).netloc for one in self.requested_urls if one.startswith("http")}


@contextmanager
def logged_in(
    browser: Browser, airflow: RealAirflow, user: str, pictures: Path, **options: object
) -> Iterator[UserWindow]:
    """Log in as *user* by Airflow's form, and yield the window."""
    password = json.loads((airflow.home / "passwords.json").read_text())[user]
    context = browser.new_context(**{"viewport": {"width": 1500, "height": 1050}, **options})
    page = context.new_page()
    page.set_default_timeout(TIMEOUT)
    window = UserWindow(airflow, context, page, pictures)
    page.on("request", lambda request: window.requested_urls.append(request.url))
    page.on("response", lambda response: window.responses.append(response))
    page.goto(f"{airflow.url}/auth/login")
    page.fill("input[name=username]", user)
    page.fill("input[name=password]", password)
    page.keyboard.press("Enter")
    page.wait_for_url(lambda url: "/auth/" not in url)
    try:
        yield window
    finally:
        context.close()


def metric_charts(page: Page | Frame) -> Locator:
    """Return the charts of the metrics on a task's page; other charts show the resources over time."""
    return page.get_by_role("region", name="Metrics").get_by_role("figure")


def last_step(text: str) -> int:
    """Return the last step in the text of a log."""
    return max((int(one) for one in re.findall(r"Iter (\d+)", text)), default=0)
