"""
The error documents of the API, and their codes.

`ERROR_CODES` assigns each code to a class of `airflow_dlaas.exceptions`. The service sends an exception as an
`ErrorReport`; `parse_api_error` makes the same exception of it on the client's side.
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
    """The ``field``, the ``header`` or the ``query`` parameter that an error is about, by its name."""

    type: str
    name: str


class ErrorItem(ApiModel):
    """One error. ``code`` is stable, ``message`` is for people."""

    code: str
    message: str
    more_info: str | None = None
    target: ErrorTarget | None = None


class ErrorReport(ApiModel):
    """The document of every error response. ``trace`` (32 hex digits) is also in the service's log."""

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
    "C202": "the packages that the code requires cannot be installed",
    "C203": "the watchdog stopped a command that did no work",
    "C204": "the command used more memory than its limit",
    "S100": "the engine is out of resources",
    "S101": "the training could not be started",
    "S301": "loading the code failed",
    "S302": "loading the training data failed",
    "S303": "storing the results failed",
    "S304": "the environment with the packages could not be made",
}
"""Codes of trainings that ended in `error`. C: the cause is the caller's command; S: it is on the service's side."""

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
    Return the exception for an error response.

    A known code decides its class; otherwise the status does. A response that is not an `ErrorReport` (a proxy's page,
    for example) has the class for its status, and its content is not repeated.
    """
    kind = ERRORS_BY_STATUS.get(status, Unavailable if status >= 500 else InvalidRequest)
    try:
        problem = ErrorReport.model_validate_json(content, extra="ignore")
        first = problem.errors[0]
    except (ValidationError, IndexError):
        return kind(f"The service responded with status {status} and gave no reason", retry_after=retry_after)
    return ERROR_CODES.get(first.code, kind)(
        "; ".join(one.message for one in problem.errors),
        code=first.code,
        target=first.target.name if first.target else None,
        more_info=first.more_info,
        trace=problem.trace,
        retry_after=retry_after,
    )
