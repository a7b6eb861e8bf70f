"""
Every exception that this package raises on purpose, as one tree.

The tree names who can correct the error. `transient`, on the class, states whether the same request may succeed later::

    DlaasError
    ├── InvalidDefinition          the author: the training definition is not valid
    ├── InvalidBundle              the author: the code cannot be packaged, or a zip is unusable
    ├── InvalidArgument            the author: a parameter has a value that it cannot have; also a ValueError
    ├── NotConfigured              the owner of the connection or of the service: a setting is missing or incomplete
    ├── ServiceError
    │   ├── Unreachable            wait: the service did not respond                         (transient)
    │   ├── ProtocolError          the owner of the server: the response was not one of this protocol
    │   └── ApiError               the service refused the request; `code` gives the reason
    │       ├── InvalidRequest       400
    │       ├── Unauthenticated      401
    │       ├── NotFound             404
    │       ├── MethodNotAllowed     405
    │       ├── Conflict             409
    │       ├── TooLarge             413
    │       ├── UpgradeRequired      426
    │       ├── RateLimited          429                                                     (transient)
    │       └── Unavailable          5xx                                                     (transient)
    ├── StoreError
    │   ├── InvalidName            the author: not a name of a container, a folder or an object; also InvalidArgument
    │   ├── NothingSelected        the author: a source or a selection has no file
    │   ├── StoreUnreachable       wait: no response, or one that asks for a later request   (transient)
    │   ├── StoreRefused           the owner of the credentials
    │   ├── StoreRedirected        the owner of the connection: the store is at another address
    │   ├── StoreNotAllowed        the operator of the service: the data is on a host that is not allowed
    │   ├── ContainerNotFound      the author: no such container
    │   ├── ObjectNotFound         the author: no such object
    │   ├── StoreFull              the owner of the store: a quota or a disk is full
    │   └── Corrupted              the received data differs from the sent data              (transient)
    ├── TrainingEnded              the wait for a training ended without a result; the training is `.training`
    │   ├── TrainingFailed
    │   ├── TrainingCanceled
    │   └── TrainingOverdue        the training has not ended, and the waiter has a timeout
    └── HostError                  the owner of the machine: a port, a disk or a program is missing

None of them is an `AirflowException` or an exception of another library; the library's exception is chained as
``__cause__``. The client raises the service's exception with the same class: see `airflow_dlaas.contract.error`.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence
    from typing import Any, Protocol

    class EndedTraining(Protocol):
        """
        The training of a `TrainingEnded`: always an `airflow_dlaas.contract.training.Training`.

        A protocol, because `exceptions` imports no other module of this package. It exists for type checkers only:
        each parse of a DAG file would pay for more. Code that passes the training on narrows its type with
        ``isinstance(error.training, Training)``.
        """

        @property
        def id(self) -> str:
            """The id of the training."""

        @property
        def state(self) -> Any:
            """The state, an `airflow_dlaas.contract.state.TrainingState`."""

        @property
        def status(self) -> Any:
            """The status, an `airflow_dlaas.contract.training.TrainingStatus`."""

        @property
        def metadata(self) -> Any:
            """The metadata, an `airflow_dlaas.contract.experiment.Metadata`."""

        @property
        def entity(self) -> Any:
            """The definition, the location of the results and the status: a `TrainingEntity`."""


class DlaasError(Exception):
    """Base class of all exceptions that this package raises on purpose."""

    transient: ClassVar[bool] = False
    """Whether the same request may succeed later."""

    def __str__(self) -> str:
        """Return the message with control characters as escapes: it may repeat names and texts of others."""
        # Imported here: each parse of a DAG file would pay for the patterns.
        from airflow_dlaas._util.terminal_text import escape_control_characters

        return escape_control_characters(super().__str__())


def is_transient(error: Exception) -> bool:
    """Whether the request that raised *error* may succeed later; False for exceptions of other packages."""
    return isinstance(error, DlaasError) and error.transient


class InvalidDefinition(DlaasError):
    """A training definition is not valid; each of `problems` begins with the path of its field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The training definition is invalid: " + "; ".join(self.problems))

    def __reduce__(self) -> tuple[type[InvalidDefinition], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class InvalidBundle(DlaasError):
    """The code cannot be packaged, or a file that should be a zip of code is unusable."""


class InvalidArgument(DlaasError, ValueError):
    """A parameter has a value that it cannot have; the message begins with the parameter's name."""


class NotConfigured(DlaasError):
    """A connection or a setting is missing, incomplete or unusable."""


class ServiceError(DlaasError):
    """A request to the service did not succeed."""


class Unreachable(ServiceError):
    """The service did not respond."""

    transient = True


class ProtocolError(ServiceError):
    """The service's response is not one of this protocol."""


class ApiError(ServiceError):
    """
    The service refused the request.

    Compare ``code``, a key of `airflow_dlaas.contract.error.ERROR_CODES`; the message is for people. ``target`` is the
    name of the field or header that the error is about. ``trace`` is also in the service's log.
    """

    status: ClassVar[int] = 400
    default_code: ClassVar[str] = "invalid_request_payload"

    def __init__(
        self,
        message: str,
        *,
        code: str | None = None,
        target: str | None = None,
        more_info: str | None = None,
        trace: str | None = None,
        retry_after: float | None = None,
    ) -> None:
        super().__init__(message)
        self.message = message
        self.code = code or self.default_code
        self.target = target
        self.more_info = more_info
        self.trace = trace
        self.retry_after = retry_after
        """Seconds after which the service accepts another request; None if its response does not state them."""

    def __str__(self) -> str:
        return f"{super().__str__()} ({self.code})"


class InvalidRequest(ApiError):
    """The request is not acceptable; sent again without a change, it is refused again."""


class Unauthenticated(ApiError):
    """The token or the credentials are missing, wrong or expired."""

    status = 401
    default_code = "invalid_authorization_token"


class NotFound(ApiError):
    """There is no such resource, or it belongs to another user."""

    status = 404
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, but not with this method."""

    status = 405
    default_code = "method_not_allowed"


class Conflict(ApiError):
    """The request contradicts the state of the resource."""

    status = 409
    default_code = "conflict"


class TooLarge(ApiError):
    """The body is larger than the service accepts."""

    status = 413
    default_code = "payload_too_large"


class UpgradeRequired(ApiError):
    """The path is that of a WebSocket, and the request did not ask for one."""

    status = 426
    default_code = "upgrade_required"


class RateLimited(ApiError):
    """There were too many requests; ``retry_after`` is the time until the next one."""

    status = 429
    default_code = "rate_limit_exceeded"
    transient = True


class Unavailable(ApiError):
    """The service has an internal error or is overloaded; the request is not the cause."""

    status = 500
    default_code = "underlying_api_error"
    transient = True


class StoreError(DlaasError):
    """A request to an object store did not succeed."""


class InvalidName(InvalidArgument, StoreError):
    """A text is not the name of a container, a folder or an object. Raised before any request is sent."""


class NothingSelected(StoreError):
    """A transfer selects no file or object, and `allow_empty` is not set. Nothing was changed."""


class StoreUnreachable(StoreError):
    """The object store did not respond, or asked for a later request."""

    transient = True


class StoreRefused(StoreError):
    """The object store does not accept the credentials, or does not permit them this request."""


class StoreRedirected(StoreError):
    """The object store redirects. A request with a credential follows no redirect."""


class StoreNotAllowed(StoreError):
    """The login, or the name of a bucket, leads to a host that is not allowed. Nothing was sent there."""


class ContainerNotFound(StoreError):
    """There is no such container."""


class ObjectNotFound(StoreError):
    """There is no such object."""


class StoreFull(StoreError):
    """The object store has no space left, or a quota is used up."""


class Corrupted(StoreError):
    """The received data differs from the sent data in its checksum or its length."""

    transient = True


class TrainingEnded(DlaasError):
    """The wait for a training ended without a result. It can be pickled together with its training."""

    def __init__(self, training: EndedTraining, reason: str) -> None:
        super().__init__(reason)
        self.training = training
        self.reason = reason

    def __reduce__(self) -> tuple[type[TrainingEnded], tuple[EndedTraining, str]]:
        return type(self), (self.training, self.reason)


class TrainingFailed(TrainingEnded):
    """The command failed, or the service could not complete the training."""


class TrainingCanceled(TrainingEnded):
    """The training was canceled."""


class TrainingOverdue(TrainingEnded):
    """The training did not end within the timeout of the waiter; it may still run."""


class HostError(DlaasError):
    """This machine lacks a resource: a free port, disk space, a file or a program."""
