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

from airflow_dlaas.contract.base import Word, received
from airflow_dlaas.contract.curves import POINTS, Curves, LogMatches, LogPiece
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.experiment import Experiment, ExperimentDraft, ExperimentList
from airflow_dlaas.contract.stores import REVEALED
from airflow_dlaas.contract.training import (
    CANCEL,
    UNREADABLE_RECORD,
    Instance,
    RuntimeList,
    Training,
    TrainingChanges,
    TrainingList,
    TrainingOutlines,
    UnreadableTraining,
)
from airflow_dlaas.exceptions import InvalidDefinition, Misunderstood

if TYPE_CHECKING:
    from collections.abc import Callable, Mapping

T = TypeVar("T")

EXPERIMENTS = "/v3/ml_assets/experiments"
TRAININGS = "/v3/models"

NOW = "now"
"""The cursor behind everything that has changed so far."""

_HEADER_SAFE = "".join(chr(code) for code in range(0x21, 0x7F) if chr(code) != "%")


@dataclass(frozen=True, slots=True)
class Call(Generic[T]):
    """
    One request, and how to read what it is answered with.

    Its repr shows neither body nor headers: a definition carries the credentials of object stores.
    """

    method: str
    path: str
    """From the service's root on, quoted, with its query."""
    read: Callable[[bytes], T] = field(compare=False, repr=False)
    body: Word | tuple[Word, ...] | bytes | Path | None = field(default=None, repr=False)
    """Words go as JSON with their secrets revealed; a path's content is streamed, afresh for each attempt."""
    headers: Mapping[str, str] = field(default_factory=dict, repr=False)
    repeatable: bool = False
    """Whether sending it twice does what sending it once does."""
    content_type: str | None = None
    into: Path | None = None
    """Where a successful answer's body is written, whole or not at all; `read` is then given nothing."""
    basic: bool = False
    """Whether it carries login and password instead of a token: true of asking for the token only."""
    waits: float = 0
    """Seconds for which the service may keep silent on purpose, on top of what any call may take."""

    def payload(self) -> bytes | Path | None:
        """The body as it goes over the wire, secrets included: for sending, never for a log."""
        match self.body:
            case Word():
                return _json(self.body)
            case tuple():
                return b"[" + b",".join(map(_json, self.body)) + b"]"
            case _:
                return self.body


def _json(word: Word) -> bytes:
    return word.model_dump_json(by_alias=True, exclude_none=True, context=REVEALED).encode()


def _get(path: str, read: Callable[[bytes], T], *, into: Path | None = None, waits: float = 0) -> Call[T]:
    return Call("GET", path, read, repeatable=True, into=into, waits=waits)


def _delete(path: str) -> Call[None]:
    return Call("DELETE", path, lambda _: None, repeatable=True)


# -- identity, instance ------------------------------------------------------


class Grant(Word):
    """The answer to whoever showed login and password."""

    token: SecretStr


def get_token() -> Call[Grant]:
    """Ask for a token."""
    return Call("GET", "/v3/identity/token", received(Grant), repeatable=True, basic=True)


def get_instance(id: str = "default") -> Call[Instance]:
    """Ask the service about itself, and for its extensions."""
    return _get(f"/v3/wml_instances/{_quoted(id)}", received(Instance))


def list_runtimes() -> Call[RuntimeList]:
    """Ask what can be run (ours; `Extensions.runtimes`)."""
    return _get("/v3/runtimes", received(RuntimeList))


# -- experiments -------------------------------------------------------------


def create_experiment(draft: ExperimentDraft) -> Call[Experiment]:
    """
    Create an experiment with its first, still empty, version.

    Not repeatable: the page gives it no key by which the service could tell a repetition.
    """
    return Call("POST", EXPERIMENTS, received(Experiment), draft, content_type=_JSON)


def add_version(experiment_id: str) -> Call[Experiment]:
    """Add the next, still empty, version. Not repeatable, as `create_experiment`."""
    return Call("POST", _experiment(experiment_id), received(Experiment))


def list_experiments() -> Call[ExperimentList]:
    """All experiments, each with its newest version."""
    return _get(EXPERIMENTS, received(ExperimentList))


def get_experiment(experiment_id: str) -> Call[Experiment]:
    """One experiment, with its newest version."""
    return _get(_experiment(experiment_id), received(Experiment))


def list_versions(experiment_id: str) -> Call[ExperimentList]:
    """An experiment once for each of its versions."""
    return _get(f"{_experiment(experiment_id)}/versions", received(ExperimentList))


def get_version(experiment_id: str, version_id: str) -> Call[Experiment]:
    """An experiment with a certain version."""
    return _get(_experiment(experiment_id, version_id), received(Experiment))


def delete_experiment(experiment_id: str) -> Call[None]:
    """Delete an experiment with all its versions."""
    return _delete(_experiment(experiment_id))


def experiment_of(path: str) -> str:
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
    """Where the code of a version lies, or that of the newest one. (`Client.path_of` turns a URL into a path.)"""
    return f"{_experiment(experiment_id, version_id)}/content"


def put_content(path: str, content: Path | bytes) -> Call[None]:
    """Give the version whose content lies at *path* its zip. Repeatable: the same bytes again change nothing."""
    return Call("PUT", path, lambda _: None, content, repeatable=True, content_type="application/octet-stream")


def get_content(path: str, into: Path) -> Call[Path]:
    """Write the zip that lies at *path* to the file *into*, without holding it in memory."""
    return _get(path, lambda _: into, into=into)


# -- training runs -----------------------------------------------------------


def create_training(definition: TrainingDefinition, *, idempotency_key: str | None = None) -> Call[Training]:
    """
    Submit a training.

    With an *idempotency_key* (ours; `Extensions.idempotency_key`) the call may be repeated: the same key is
    answered with the same training. Without one a lost answer is an error, and whether a training was created
    is for the caller to find out. What a header can't carry of the key is percent-encoded, so keys stay distinct.
    """
    headers = {"Idempotency-Key": quote(idempotency_key, safe=_HEADER_SAFE)} if idempotency_key else {}
    return Call(
        "POST",
        TRAININGS,
        received(Training),
        definition,
        headers=headers,
        repeatable=bool(headers),
        content_type=_JSON,
    )


def get_training(training_id: str) -> Call[Training]:
    """One training."""
    return _get(_training(training_id), _read_training)


def get_entity(training_id: str) -> Call[dict[str, Any]]:
    """
    One training's entity as the service sent it: the echo of its definition, which `Training` reads only in part.

    Old servers do not mask the credentials in it: never for a log.
    """
    return _get(_training(training_id), _entity)


def list_trainings(limit: int | None = None) -> Call[TrainingList]:
    """The newest trainings, up to *limit*; where there are more, `more_trainings` goes on."""
    return _get(TRAININGS + (f"?{urlencode({'limit': limit})}" if limit else ""), received(TrainingList))


def more_trainings(path: str) -> Call[TrainingList]:
    """The page of a listing that lies at *path*: ``next.url`` of the page before, made a path."""
    return _get(path, received(TrainingList))


def skim_trainings(path: str = f"{TRAININGS}?limit=200") -> Call[TrainingOutlines]:
    """
    As `list_trainings`, of each only what says whose it is.

    So a training that can't be read (in a state we do not know, say) hides no other. *path* is ``next.url``.
    """
    return _get(path, received(TrainingOutlines))


def list_changes(after: str, wait: int) -> Call[TrainingChanges]:
    """
    Wait up to *wait* seconds for trainings that changed after the cursor *after* (ours; `Extensions.changes`).

    `NOW` is answered at once, with no trainings and the cursor to go on from.
    """
    query = urlencode({"after": after, "wait": wait})
    return _get(f"{TRAININGS}?{query}", received(TrainingChanges), waits=wait)


def cancel_training(training_id: str) -> Call[None]:
    """
    Ask for a training's end.

    A request, not a fact: the training may complete before it is stopped, and is seen stopped only later.
    """
    return Call("PATCH", _training(training_id), lambda _: None, CANCEL, repeatable=True, content_type=_JSON)


def acknowledge_training(training_id: str) -> Call[None]:
    """
    Record at the service that the result of a completed training was taken (ours; `Extensions.acknowledgement`).

    Repeatable: the service keeps the first time. Answered with `Conflict` where the training has not completed.
    """
    return Call("PUT", f"{_training(training_id)}/acknowledgement", lambda _: None, repeatable=True)


def delete_training(training_id: str) -> Call[None]:
    """Forget a finished training's history; its results stay where they are."""
    return _delete(_training(training_id))


def get_curves(training_id: str, *, points: int = POINTS, unless: str | None = None) -> Call[Curves]:
    """A training's metrics as curves of so many points (ours; `Extensions.curves`)."""
    return _get(f"{_training(training_id)}/metrics?{_query(points=points, unless=unless)}", received(Curves))


def get_log(
    training_id: str, *, offset: int | None = None, limit: int | None = None, tail: int | None = None
) -> Call[LogPiece]:
    """Whole lines of a training's log, from byte *offset* on or the last *tail* bytes (ours; `Extensions.curves`)."""
    return _get(f"{_training(training_id)}/log?{_query(offset=offset, limit=limit, tail=tail)}", received(LogPiece))


def search_log(training_id: str, text: str, *, offset: int = 0) -> Call[LogMatches]:
    """The lines of a training's log that hold *text* (ours; `Extensions.curves`)."""
    return _get(f"{_training(training_id)}/log/search?{_query(text=text, offset=offset)}", received(LogMatches))


def monitor_path(training_id: str, *, offset: int = 0, metrics: int = 0) -> str:
    """Where a training is followed over a WebSocket, after *offset* bytes of log and so many *metrics* (ours)."""
    query = urlencode({name: value for name, value in (("offset", offset), ("metrics", metrics)) if value})
    return f"{_training(training_id)}/monitor" + (f"?{query}" if query else "")


_JSON = "application/json"


def _read_training(content: bytes) -> Training:
    """
    Read a training.

    :raises Misunderstood: it is none; where the service cannot read its own record, with the service's message.
    """
    try:
        return received(Training)(content)
    except Misunderstood:
        try:
            status = received(UnreadableTraining)(content).entity.status
        except Misunderstood:
            status = None
        if status is None or all(one.code != UNREADABLE_RECORD for one in status.error.errors):
            raise
    raise Misunderstood(status.message)


def _entity(content: bytes) -> dict[str, Any]:
    try:
        match json.loads(content):
            case {"entity": dict(entity)}:
                return entity
    except ValueError:
        pass
    raise Misunderstood("The service's answer is not a training")


def _query(**parameters: str | int | None) -> str:
    return urlencode({name: value for name, value in parameters.items() if value is not None})


def _quoted(step: str) -> str:
    # A step of only dots would be taken for "here" or "one up" by whoever normalizes the path.
    return quote(step, safe="") if step.strip(".") else step.replace(".", "%2E")


def _experiment(experiment_id: str, version_id: str | None = None) -> str:
    path = f"{EXPERIMENTS}/{_quoted(experiment_id)}"
    return path if version_id is None else f"{path}/versions/{_quoted(version_id)}"


def _training(training_id: str) -> str:
    return f"{TRAININGS}/{_quoted(training_id)}"
