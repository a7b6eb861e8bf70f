"""
Everything this package raises on purpose.

The tree says who can act, and `transient`, stated once on the class, whether the same request may
succeed later::

    DlaasError
    ├── InvalidDefinition          the author: a training definition does not hold together
    ├── InvalidBundle              the author: the code cannot be packaged, or a zip is unusable
    ├── InvalidArgument            the author: a parameter has a value that it cannot have; also a ValueError
    ├── NotConfigured              whoever set up the connection or the service: half an answer
    ├── ServiceError
    │   ├── Unreachable            nobody, wait: no answer came                          (transient)
    │   ├── Misunderstood          the server's owner: the answer was not this protocol
    │   └── Refused                the service said no, with a code that survives the wire
    │       ├── InvalidRequest       400
    │       ├── Unauthenticated      401
    │       ├── NotFound             404
    │       ├── MethodNotAllowed     405
    │       ├── Conflict             409
    │       ├── TooLarge             413
    │       ├── UpgradeRequired      426
    │       ├── RateLimited          429                                                 (transient)
    │       └── Unavailable          5xx                                                 (transient)
    ├── StoreError
    │   ├── InvalidName            the author: not a name of a container, a folder or an object; also InvalidArgument
    │   ├── NothingSelected        the author: a source or a selection holds no file
    │   ├── StoreUnreachable       nobody, wait: no answer, or one that says "later"     (transient)
    │   ├── StoreRefused           whoever holds the credentials
    │   ├── StoreRedirected        the connection's owner: the store is at another address
    │   ├── StoreNotAllowed        the service's operator: the data is on a host that is not allowed
    │   ├── ContainerNotFound      the author: no such container
    │   ├── ObjectNotFound         the author: no such object
    │   ├── StoreFull              the store's owner: a quota or a disk is full
    │   └── Corrupted              what arrived is not what was sent                     (transient)
    ├── TrainingEnded              a training is over, and not well; it is carried as `.training`
    │   ├── TrainingFailed
    │   ├── TrainingCanceled
    │   └── TrainingOverdue        not over, but nobody waits any longer
    └── HostError                  whoever runs the machine: a port, a disk, a program is missing

None of them is an `AirflowException` and none is a library's: those are chained as ``__cause__``.
"""

from __future__ import annotations

from typing import TYPE_CHECKING, ClassVar

if TYPE_CHECKING:
    from collections.abc import Sequence

    from airflow_dlaas.contract.training import Training


class DlaasError(Exception):
    """Everything this package raises on purpose."""

    transient: ClassVar[bool] = False
    """Whether the same request may succeed later."""


class InvalidDefinition(DlaasError):
    """A training definition does not hold together; each problem names its field."""

    def __init__(self, problems: Sequence[str]) -> None:
        self.problems = tuple(problems)
        super().__init__("The training definition is invalid: " + "; ".join(self.problems))

    def __reduce__(self) -> tuple[type[InvalidDefinition], tuple[tuple[str, ...]]]:
        return type(self), (self.problems,)


class InvalidBundle(DlaasError):
    """The code cannot be packaged, or what should be a zip of code is unusable."""


class InvalidArgument(DlaasError, ValueError):
    """A parameter has a value that it cannot have; the message begins with the parameter's name."""


class NotConfigured(DlaasError):
    """A connection or a setting is missing, or only half given."""


class ServiceError(DlaasError):
    """A call to the service did not succeed."""


class Unreachable(ServiceError):
    """No answer came from the service."""

    transient = True


class ProtocolError(ServiceError):
    """An answer came that does not speak this protocol."""


class ApiError(ServiceError):
    """
    The service said no.

    ``code`` is one of `airflow_dlaas.contract.error.CODES` and is what to compare; the message is for people.
    ``target`` names the field or the header it is about. ``trace`` finds the refusal in the service's log.
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
        """Seconds after which the service wants to be asked again, where it said so."""

    def __str__(self) -> str:
        return f"{self.message} ({self.code})"


class InvalidRequest(ApiError):
    """What was sent is not acceptable, and will not be when sent again."""


class Unauthenticated(ApiError):
    """The token or the credentials are missing, wrong or expired."""

    status = 401
    default_code = "invalid_authorization_token"


class NotFound(ApiError):
    """There is no such thing, or it belongs to somebody else."""

    status = 404
    default_code = "not_found"


class MethodNotAllowed(ApiError):
    """The path exists, the method does not."""

    status = 405
    default_code = "method_not_allowed"


class Conflict(ApiError):
    """The request contradicts what is already there."""

    status = 409
    default_code = "conflict"


class TooLarge(ApiError):
    """The body is larger than the service takes."""

    status = 413
    default_code = "payload_too_large"


class UpgradeRequired(ApiError):
    """The path is a WebSocket's, and the request asked for none."""

    status = 426
    default_code = "upgrade_required"


class RateLimited(ApiError):
    """Asked too often; ``retry_after`` says when to ask again."""

    status = 429
    default_code = "rate_limit_exceeded"
    transient = True


class Unavailable(ApiError):
    """The service is broken or overloaded; not the caller's fault."""

    status = 500
    default_code = "underlying_api_error"
    transient = True


class StoreError(DlaasError):
    """A call to an object store did not succeed."""


class InvalidName(InvalidArgument, StoreError):
    """A text is not the name of a container, a folder or an object. Raised before any request is sent."""


class NothingSelected(StoreError):
    """A transfer has no file or object to move, and `allow_empty` is not set. Nothing was changed."""


class StoreUnreachable(StoreError):
    """The object store did not answer, or asked to be asked later."""

    transient = True


class StoreRefused(StoreError):
    """The object store does not accept the credentials, or not for this."""


class StoreRedirected(StoreError):
    """The object store redirects. A request with a credential follows no redirect."""


class StoreNotAllowed(StoreError):
    """The login names a storage URL on a host that must not be called. Nothing was sent there."""


class ContainerNotFound(StoreError):
    """There is no such container."""


class ObjectNotFound(StoreError):
    """There is no such object."""


class StoreFull(StoreError):
    """The object store has no room, or a quota is used up."""


class Corrupted(StoreError):
    """What arrived is not what was sent: a checksum or a length differs."""

    transient = True


class TrainingEnded(DlaasError):
    """A training is over for whoever waited, and not well."""

    def __init__(self, training: Training, reason: str) -> None:
        super().__init__(reason)
        self.training = training
        self.reason = reason

    def __reduce__(self) -> tuple[type[TrainingEnded], tuple[Training, str]]:
        return type(self), (self.training, self.reason)


class TrainingFailed(TrainingEnded):
    """The command failed, or the service could not carry the training through."""


class TrainingCanceled(TrainingEnded):
    """Somebody canceled the training."""


class TrainingOverdue(TrainingEnded):
    """The training has not ended in the time the waiter gave it."""


class HostError(DlaasError):
    """This machine lacks something: a free port, room on a disk, a program."""
