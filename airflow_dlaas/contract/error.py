"""
Refusals: one envelope for all, with codes that survive the wire.

`ERROR_CODES` is the table: which code belongs to which class of `airflow_dlaas.exceptions`. The service puts
an error into an envelope; `parse_api_error` makes the same error of it on the client's side.
"""

from __future__ import annotations

from pydantic import ValidationError

from airflow_dlaas.contract.base import ApiList, ApiModel
from airflow_dlaas.exceptions import (
    ApiError,
    Conflict,
    InvalidRequest,
    MethodNotAllowed,
    NotFound,
    RateLimited,
    TooLarge,
    Unauthenticated,
    Unavailable,
    UpgradeRequired,
)


class ErrorTarget(ApiModel):
    """What an error is about: a ``field``, a ``header`` or a ``query`` parameter, by name."""

    type: str
    name: str


class ErrorItem(ApiModel):
    """One thing that is wrong. ``code`` is stable, ``message`` is for people."""

    code: str
    message: str
    more_info: str | None = None
    target: ErrorTarget | None = None


class ErrorReport(ApiModel):
    """The envelope of every refusal. ``trace`` (32 hex digits) finds it in the service's log."""

    trace: str
    errors: ApiList[ErrorItem]


ERROR_CODES: dict[str, type[ApiError]] = {
    "missing_authorization_token": Unauthenticated,
    "invalid_authorization_token": Unauthenticated,
    "expired_authorization_token": Unauthenticated,
    "not_found": NotFound,
    "method_not_allowed": MethodNotAllowed,
    "conflict": Conflict,
    "payload_too_large": TooLarge,
    "upgrade_required": UpgradeRequired,
    "invalid_request_payload": InvalidRequest,
    "invalid_query_parameter_value": InvalidRequest,
    "patch_not_supported": InvalidRequest,
    "patch_multiple_ops": InvalidRequest,
    "C101": InvalidRequest,  # the definition is invalid
    "C102": InvalidRequest,  # the zip is unusable
    "C103": InvalidRequest,  # credentials or container of an object store are refused
    "C104": InvalidRequest,  # the resources are impossible here
    "rate_limit_exceeded": RateLimited,
    "operation_timeout": Unavailable,
    "underlying_api_error": Unavailable,
}

TRAINING_ERROR_CODES: dict[str, str] = {
    "C201": "dl_job_failed",
    "S100": "the engine is out of resources",
    "S101": "the training could not be started",
    "S301": "loading the code failed",
    "S302": "loading the training data failed",
    "S303": "storing the results failed",
}
"""Codes a training ends with. C: the caller's command; S: the service's side."""

ERRORS_BY_STATUS: dict[int, type[ApiError]] = {
    kind.status: kind
    for kind in (
        InvalidRequest,
        Unauthenticated,
        NotFound,
        MethodNotAllowed,
        Conflict,
        TooLarge,
        UpgradeRequired,
        RateLimited,
    )
}


def parse_api_error(status: int, content: bytes, *, retry_after: float | None = None) -> ApiError:
    """
    Read the refusal in an answer with *status*.

    A code we know gives its class; else the status does. An answer that is no envelope (a proxy's page, say) still
    gives the class for its status, without repeating what the page says.
    """
    kind = ERRORS_BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)
    try:
        problem = ErrorReport.model_validate_json(content, extra="ignore")
        first = problem.errors[0]
    except (ValidationError, IndexError):
        return kind(f"The service answered {status} without saying why", retry_after=retry_after)
    return ERROR_CODES.get(first.code, kind)(
        "; ".join(one.message for one in problem.errors),
        code=first.code,
        target=first.target.name if first.target else None,
        more_info=first.more_info,
        trace=problem.trace,
        retry_after=retry_after,
    )
