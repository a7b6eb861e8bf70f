"""
Every exchange with the service as a value: what to send, and how to read the answer.

Replies are read tolerantly (`received`), since a newer service may say more than we know.
"""

from __future__ import annotations

import json
from dataclasses import dataclass, field
from pathlib import Path
from typing import TYPE_CHECKING, Any, Generic, TypeVar
from urllib.parse import quote, unquote, urlencode

from pydantic import SecretStr

from airflow_dlaas.contract.base import ApiModel, parse_response
from airflow_dlaas.contract.curves import DEFAULT_POINTS, Curves, LogChunk, LogMatches
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentList
from airflow_dlaas.contract.stores import REVEAL_SECRETS
from airflow_dlaas.contract.training import (
    CANCEL_PATCH,
    UNREADABLE_RECORD,
    RuntimeList,
    ServiceInstance,
    Training,
    TrainingChanges,
    TrainingList,
    TrainingSummaryList,
    UnreadableTraining,
)
from airflow_dlaas.exceptions import InvalidDefinition, ProtocolError

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

EXPERIMENTS_PATH = "/v3/ml_assets/experiments"
TRAININGS_PATH = "/v3/models"

CURSOR_NOW = "now"
"""The cursor behind everything that has changed so far."""

_HEADER_SAFE_CHARS = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One request, and how to read what it is answered with.

    Its repr shows neither body nor headers: a definition carries the credentials of object stores.
    """

    method: str
    path: str
    """From the service's root on, quoted, with its query."""
    parse: Callable[[bytes], T] = field(compare=False, repr=False)
    body: ApiModel | tuple[ApiModel, ...] | bytes | Path | None = field(default=None, repr=False)
    """Words go as JSON with their secrets revealed; a path's content is streamed, afresh for each attempt."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    is_idempotent: bool = False
    """Whether sending it twice does what sending it once does."""
    content_type: str | None = None
    save_to: Path | None = None
    """Where a successful answer's body is written, whole or not at all; `parse` is then given nothing."""
    uses_basic_auth: bool = False
    """Whether it carries login and password instead of a token: true of asking for the token only."""
    long_poll_seconds: float = 0
    """Seconds for which the service may keep silent on purpose, on top of what any call may take."""

    def payload(self) -> bytes | Path | None:
        """The body as it goes over the wire, secrets included: for sending, never for a log."""
        match self.body:
            case ApiModel():
                return _to_json(self.body)
            case tuple():
                return b"[" + b",".join(map(_to_json, self.body)) + b"]"
            case _:
                return self.body


def _to_json(model: ApiModel) -> bytes:
    return model.model_dump_json(by_alias=True, exclude_none=True, context=REVEAL_SECRETS).encode()


def _get(
    path: str, parse: Callable[[bytes], T], *, save_to: Path | None = None, long_poll_seconds: float = 0
) -> Call[T]:
    return Call("GET", path, parse, is_idempotent=True, save_to=save_to, long_poll_seconds=long_poll_seconds)


def _delete(path: str) -> Call[None]:
    return Call("DELETE", path, lambda _: None, is_idempotent=True)


# -- identity, instance ------------------------------------------------------


class TokenResponse(ApiModel):
    """The answer to whoever showed login and password."""

    token: SecretStr


def get_token() -> Call[TokenResponse]:
    """Ask for a token."""
    return Call("GET", "/v3/identity/token", parse_response(TokenResponse), is_idempotent=True, uses_basic_auth=True)


def get_instance(instance_id: str = "default") -> Call[ServiceInstance]:
    """Ask the service about itself, and for its extensions."""
    return _get(f"/v3/wml_instances/{_quote_segment(instance_id)}", parse_response(ServiceInstance))


def list_runtimes() -> Call[RuntimeList]:
    """Ask what can be run (ours; `Extensions.runtimes`)."""
    return _get("/v3/runtimes", parse_response(RuntimeList))


# -- experiments -------------------------------------------------------------


def create_experiment(draft: ExperimentDraft) -> Call[Experiment]:
    """
    Create an experiment with its first, still empty, version.

    Not repeatable: the page gives it no key by which the service could tell a repetition.
    """
    return Call("POST", EXPERIMENTS_PATH, parse_response(Experiment), draft, content_type=_JSON_CONTENT_TYPE)


def add_version(experiment_id: str) -> Call[Experiment]:
    """Add the next, still empty, version. Not repeatable, as `create_experiment`."""
    return Call("POST", _experiment_path(experiment_id), parse_response(Experiment))


def list_experiments() -> Call[ExperimentList]:
    """All experiments, each with its newest version."""
    return _get(EXPERIMENTS_PATH, parse_response(ExperimentList))


def get_experiment(experiment_id: str) -> Call[Experiment]:
    """One experiment, with its newest version."""
    return _get(_experiment_path(experiment_id), parse_response(Experiment))


def list_versions(experiment_id: str) -> Call[ExperimentList]:
    """An experiment once for each of its versions."""
    return _get(f"{_experiment_path(experiment_id)}/versions", parse_response(ExperimentList))


def get_version(experiment_id: str, version_id: str) -> Call[Experiment]:
    """An experiment with a certain version."""
    return _get(_experiment_path(experiment_id, version_id), parse_response(Experiment))


def delete_experiment(experiment_id: str) -> Call[None]:
    """Delete an experiment with all its versions."""
    return _delete(_experiment_path(experiment_id))


def experiment_id_from_path(path: str) -> str:
    """
    Read an experiment's id off the path of it, of one of its versions, or of their content.

    :raises InvalidDefinition: the path is none of these.
    """
    head, _, rest = path.partition("/ml_assets/experiments/")
    experiment_id = unquote(rest.partition("/")[0])
    if head != "/v3" or not experiment_id:
        raise InvalidDefinition([f"definition_location: {path} is not the URL of an experiment"])
    return experiment_id


def content_path(experiment_id: str, version_id: str | None = None) -> str:
    """Where the code of a version lies, or that of the newest one. (`Client.path_from_url` turns a URL into a path.)"""
    return f"{_experiment_path(experiment_id, version_id)}/content"


def put_content(path: str, content: Path | bytes) -> Call[None]:
    """Give the version whose content lies at *path* its zip. Repeatable: the same bytes again change nothing."""
    return Call("PUT", path, lambda _: None, content, is_idempotent=True, content_type="application/octet-stream")


def get_content(path: str, save_to: Path) -> Call[Path]:
    """Write the zip that lies at *path* to the file *save_to*, without holding it in memory."""
    return _get(path, lambda _: save_to, save_to=save_to)


# -- training runs -----------------------------------------------------------


def create_training(definition: TrainingDefinition, *, idempotency_key: str | None = None) -> Call[Training]:
    """
    Submit a training.

    With an *idempotency_key* (ours; `Extensions.idempotency_key`) the call may be repeated: the same key is
    answered with the same training. Without one a lost answer is an error, and whether a training was created
    is for the caller to find out. What a header can't carry of the key is percent-encoded, so keys stay distinct.
    """
    headers = {"Idempotency-Key": quote(idempotency_key, safe=_HEADER_SAFE_CHARS)} if idempotency_key else {}
    return Call(
        "POST",
        TRAININGS_PATH,
        parse_response(Training),
        definition,
        headers=headers,
        is_idempotent=bool(headers),
        content_type=_JSON_CONTENT_TYPE,
    )


def get_training(training_id: str) -> Call[Training]:
    """One training."""
    return _get(_training_path(training_id), _parse_training)


def get_training_entity(training_id: str) -> Call[dict[str, Any]]:
    """
    One training's entity as the service sent it: the echo of its definition, which `Training` reads only in part.

    Old servers do not mask the credentials in it: never for a log.
    """
    return _get(_training_path(training_id), _parse_entity)


def list_trainings(limit: int | None = None) -> Call[TrainingList]:
    """The newest trainings, up to *limit*; where there are more, `list_trainings_page` goes on."""
    return _get(TRAININGS_PATH + (f"?{urlencode({'limit': limit})}" if limit else ""), parse_response(TrainingList))


def list_trainings_page(path: str) -> Call[TrainingList]:
    """The page of a listing that lies at *path*: ``next.url`` of the page before, made a path."""
    return _get(path, parse_response(TrainingList))


def list_training_summaries(path: str = f"{TRAININGS_PATH}?limit=200") -> Call[TrainingSummaryList]:
    """
    As `list_trainings`, of each only what says whose it is.

    So a training that can't be read (in a state we do not know, say) hides no other. *path* is ``next.url``.
    """
    return _get(path, parse_response(TrainingSummaryList))


def list_changes(after: str, wait: int) -> Call[TrainingChanges]:
    """
    Wait up to *wait* seconds for trainings that changed after the cursor *after* (ours; `Extensions.changes`).

    `CURSOR_NOW` is answered at once, with no trainings and the cursor to go on from.
    """
    query = urlencode({"after": after, "wait": wait})
    return _get(f"{TRAININGS_PATH}?{query}", parse_response(TrainingChanges), long_poll_seconds=wait)


def cancel_training(training_id: str) -> Call[None]:
    """
    Ask for a training's end.

    A request, not a fact: the training may complete before it is stopped, and is seen stopped only later.
    """
    return Call(
        "PATCH",
        _training_path(training_id),
        lambda _: None,
        CANCEL_PATCH,
        is_idempotent=True,
        content_type=_JSON_CONTENT_TYPE,
    )


def acknowledge_training(training_id: str) -> Call[None]:
    """
    Record at the service that the result of a completed training was taken (ours; `Extensions.acknowledgement`).

    Repeatable: the service keeps the first time. Answered with `Conflict` where the training has not completed.
    """
    return Call("PUT", f"{_training_path(training_id)}/acknowledgement", lambda _: None, is_idempotent=True)


def delete_training(training_id: str) -> Call[None]:
    """Forget a finished training's history; its results stay where they are."""
    return _delete(_training_path(training_id))


def get_curves(training_id: str, *, points: int = DEFAULT_POINTS, known_version: str | None = None) -> Call[Curves]:
    """A training's metrics as curves of so many points (ours; `Extensions.curves`)."""
    return _get(
        f"{_training_path(training_id)}/metrics?{_encode_query(points=points, unless=known_version)}",
        parse_response(Curves),
    )


def get_log(
    training_id: str, *, offset: int | None = None, limit: int | None = None, tail: int | None = None
) -> Call[LogChunk]:
    """Whole lines of a training's log, from byte *offset* on or the last *tail* bytes (ours; `Extensions.curves`)."""
    return _get(
        f"{_training_path(training_id)}/log?{_encode_query(offset=offset, limit=limit, tail=tail)}",
        parse_response(LogChunk),
    )


def search_log(training_id: str, text: str, *, offset: int = 0) -> Call[LogMatches]:
    """The lines of a training's log that hold *text* (ours; `Extensions.curves`)."""
    return _get(
        f"{_training_path(training_id)}/log/search?{_encode_query(text=text, offset=offset)}",
        parse_response(LogMatches),
    )


def log_stream_path(training_id: str, *, offset: int = 0, metric_count: int = 0) -> str:
    """Where a training is followed over a WebSocket, after *offset* bytes of log and so many *metric_count* (ours)."""
    query = urlencode({name: value for name, value in (("offset", offset), ("metrics", metric_count)) if value})
    return f"{_training_path(training_id)}/monitor" + (f"?{query}" if query else "")


_JSON_CONTENT_TYPE = "application/json"


def _parse_training(content: bytes) -> Training:
    """
    Read a training.

    :raises Misunderstood: it is none; where the service cannot read its own record, with the service's message.
    """
    try:
        return parse_response(Training)(content)
    except ProtocolError:
        try:
            status = parse_response(UnreadableTraining)(content).entity.status
        except ProtocolError:
            status = None
        if status is None or all(one.code != UNREADABLE_RECORD for one in status.error.errors):
            raise
    raise ProtocolError(status.message)


def _parse_entity(content: bytes) -> dict[str, Any]:
    try:
        match json.loads(content):
            case {"entity": dict(entity)}:
                return entity
    except ValueError:
        pass
    raise ProtocolError("The service's answer is not a training")


def _encode_query(**parameters: str | int | None) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def _quote_segment(segment: str) -> str:
    # A step of only dots would be taken for "here" or "one up" by whoever normalizes the path.
    return quote(segment, safe="") if segment.strip(".") else segment.replace(".", "%2E")


def _experiment_path(experiment_id: str, version_id: str | None = None) -> str:
    path = f"{EXPERIMENTS_PATH}/{_quote_segment(experiment_id)}"
    return path if version_id is None else f"{path}/versions/{_quote_segment(version_id)}"


def _training_path(training_id: str) -> str:
    return f"{TRAININGS_PATH}/{_quote_segment(training_id)}"
