"""Checks of the service: is it reachable, does it accept the login, and what can it run?"""

from __future__ import annotations

from collections.abc import Iterator
from datetime import datetime, timezone
from email.utils import parsedate_to_datetime

from airflow_dlaas import __version__
from airflow_dlaas._util.retry import NO_RETRY
from airflow_dlaas.cli.doctor.checks import Check, Outcome, failed, ok, skipped, warning
from airflow_dlaas.client import calls
from airflow_dlaas.client.calls.call import get_request
from airflow_dlaas.client.client import Client
from airflow_dlaas.client.http_transport import HttpTransport
from airflow_dlaas.client.protocol import HttpResponse, NoResponse
from airflow_dlaas.client.service_url import ServiceUrl
from airflow_dlaas.contract.base import ApiModel, parse_response
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.exceptions import DlaasError, ProtocolError, Unauthenticated
from airflow_dlaas.service.config.client_settings import ClientSettings

TIMEOUT = (5.0, 10.0)
"""Seconds to connect, and seconds without data."""

MAX_CLOCK_DIFFERENCE = 60.0
"""Seconds; with more, times of trainings and of this machine's logs cannot be compared."""


class HealthResponse(ApiModel):
    """The response to a request for the health of a service."""

    status: str
    version: str


def check_service(settings: ClientSettings) -> Iterator[Check]:
    """Check the service at the URL of *settings*; the first failure ends it: the others would follow from it."""
    try:
        transport = HttpTransport(
            ServiceUrl.parse(settings.url), settings.user, settings.password, verify=settings.verify, timeout=TIMEOUT
        )
        outcome = transport.send(get_request("/health", lambda content: content), None)
    except DlaasError as error:
        yield failed("service", str(error), "correct DLAAS_URL, or DLAAS_TLS_CA for its certificate")
        return
    if isinstance(outcome, NoResponse):
        yield failed("service", outcome.reason, "start it (airflow-dlaas serve), or correct DLAAS_URL")
        return
    yield from _check_health(outcome)
    with Client(settings.url, settings.user, settings.password, verify=settings.verify, timeout=TIMEOUT) as client:
        login = check_login(client, settings.user)
        yield login
        if login.outcome is Outcome.OK:
            yield check_runtimes(client)


def _check_health(response: HttpResponse) -> Iterator[Check]:
    url = response.base_url
    try:
        health = parse_response(HealthResponse)(response.content)
    except ProtocolError:
        yield warning("service", f"{url} answers, and is not this service", "correct DLAAS_URL, if it should be")
        return
    yield ok("service", f"{url} answers: {health.status}")
    yield check_version(health.version)
    if (date := response.headers.get("date")) is not None:
        yield check_clock(date, datetime.fromtimestamp(response.finished_at, timezone.utc))


def check_version(version: str) -> Check:
    """Compare the version of the service with that of this command."""
    if version == __version__:
        return ok("version", f"{version} on both sides")
    return warning(
        "version", f"the service is {version}, this command {__version__}", "install the same version on both sides"
    )


def check_clock(date: str, now: datetime) -> Check:
    """Compare the clock of the service, by the Date header of a response, with this one at its receipt."""
    try:
        difference = (now - parsedate_to_datetime(date)).total_seconds()
    except ValueError:
        return skipped("clock", "the service sends no valid date")
    if abs(difference) <= MAX_CLOCK_DIFFERENCE:
        return ok("clock", f"{abs(difference):.0f} s from that of the service")
    direction = "ahead of" if difference > 0 else "behind"
    return warning(
        "clock",
        f"this machine is {abs(difference):,.0f} s {direction} the service",
        "set both clocks by NTP: times of trainings are those of the service",
    )


def check_login(client: Client, user: str) -> Check:
    """Log in, and request the description of the service."""
    try:
        instance = client.send(calls.get_instance(), retries=NO_RETRY)
    except Unauthenticated as error:
        return failed("login", f"{user}: {error}", "correct DLAAS_USER and DLAAS_PASSWORD, or credentials.json")
    except DlaasError as error:
        return failed("login", f"{user}: {error}", "see the log of the service")
    extensions = [name for name, has in instance.entity.extensions.model_dump().items() if has]
    return ok("login", f"as {user}; extensions: {', '.join(extensions) or 'none'}")


def check_runtimes(client: Client) -> Check:
    """Check that the service has a framework that can be used now."""
    try:
        if not client.extensions.runtimes:
            return skipped("runtimes", "the service does not list its frameworks")
        listed = client.send(calls.list_runtimes(), retries=NO_RETRY)
    except DlaasError as error:
        return failed("runtimes", str(error), "see the log of the service")
    return judge_runtimes(listed.resources, listed.gpus, listed.catalogue_problem)


def judge_runtimes(runtimes: tuple[Runtime, ...], slots: int, problem: str | None = None) -> Check:
    """
    Return the result for a catalogue.

    A version of plain Python that is not installed is no problem where another one is: the package lists them all.

    :param problem: why the site's changed file is not in use.
    """
    usable = [f"{one.framework} {one.version}" for one in runtimes if one.unavailable is None]
    has_python = any(one.framework == "python" and one.unavailable is None for one in runtimes)
    unusable = [
        f"{one.framework} {one.version}: {one.unavailable}"
        for one in runtimes
        if one.unavailable is not None and not (has_python and one.framework == "python")
    ]
    if not usable:
        return failed(
            "runtimes", "; ".join(unusable) or "the catalogue is empty", "add an entry to the file of DLAAS_CATALOGUE"
        )
    text = f"{', '.join(usable)}; {slots} GPU slots"
    if problem is not None:
        return warning("runtimes", f"{problem}; the catalogue that was read before is in use", "correct the file")
    if unusable:
        return warning(
            "runtimes", f"{text}; not usable: {'; '.join(unusable)}", "correct DLAAS_CATALOGUE on the service"
        )
    return ok("runtimes", text)
