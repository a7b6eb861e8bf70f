"""Requests for a token, and about the service itself."""

from __future__ import annotations

from urllib.parse import urlencode

from pydantic import SecretStr

from airflow_dlaas.client.calls.call import Call, get_request, quote_segment
from airflow_dlaas.contract.base import ApiModel, parse_response
from airflow_dlaas.contract.instance import RuntimeList, ServiceInstance
from airflow_dlaas.contract.usage_report import UsageGrouping, UsageReport


class TokenResponse(ApiModel):
    """The response to a request with login and password."""

    token: SecretStr


def get_token() -> Call[TokenResponse]:
    """Request a token."""
    return Call("GET", "/v3/identity/token", parse_response(TokenResponse), is_idempotent=True, uses_basic_auth=True)


def get_instance(instance_id: str = "default") -> Call[ServiceInstance]:
    """Request the description of the service, with its extensions."""
    return get_request(f"/v3/wml_instances/{quote_segment(instance_id)}", parse_response(ServiceInstance))


def list_runtimes() -> Call[RuntimeList]:
    """List the frameworks and versions that the service can run (extension `runtimes`)."""
    return get_request("/v3/runtimes", parse_response(RuntimeList))


def get_usage_report(
    *, since: str | None = None, until: str | None = None, by: UsageGrouping = UsageGrouping.USER
) -> Call[UsageReport]:
    """
    Request the GPU-hours by user, DAG or state (extension `usage_report`).

    :param since: first moment, as a date or a time by ISO 8601; None: 30 days before the end.
    :param until: the moment after the last one, in the same form; None: now.
    """
    query = {"from": since, "to": until, "by": str(by)}
    given = {name: value for name, value in query.items() if value is not None}
    return get_request(f"/v3/usage_report?{urlencode(given)}", parse_response(UsageReport))
