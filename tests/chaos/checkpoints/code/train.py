"""
A training without a framework: each step hashes the state of the step before, and the weights follow from the state.

So the weights of an undisturbed training are known in advance (`weights_of`). Checkpoints have their own digest: the
exit code `BROKEN` means that a part of one was read. The file ``steps.txt`` in LOG_DIR has the time of each step.
"""

from __future__ import annotations

import hashlib
import os
import shutil
import signal
import sys
import time
from collections.abc import Callable
from pathlib import Path

SIZE = 256 * 1024
"""Bytes of the weights."""

BROKEN = 99
"""The exit code after a checkpoint that is not whole."""

BEGIN_AGAIN = 75
"""The exit code after SIGTERM, when the state is saved."""

PIECES = 8
"""A checkpoint is written in so many pieces, with pauses, so that a kill or a look often meets a part of it."""

PIECE_PAUSE = 0.02

STATE_SIZE = 32

State = tuple[int, bytes]
"""The number of the last step, and what the next step continues from."""


def first_state(seed: str) -> State:
    return 0, hashlib.sha256(seed.encode()).digest()


def next_state(state: State) -> State:
    return state[0] + 1, hashlib.sha256(state[1] + b"%d" % state[0]).digest()


def weights(state: State) -> bytes:
    return hashlib.shake_256(state[1]).digest(SIZE)


def weights_of(seed: str, steps: int) -> bytes:
    """Return the weights after an undisturbed training."""
    state = first_state(seed)
    for _ in range(steps):
        state = next_state(state)
    return weights(state)


def pack(state: State) -> bytes:
    body = b"%08d" % state[0] + state[1] + weights(state)
    return body + hashlib.sha256(body).digest()


RECORD_SIZE = 8 + STATE_SIZE + SIZE + STATE_SIZE


def unpack(content: bytes, name: object) -> State:
    """Return the state in a checkpoint; end with `BROKEN` if it is not whole."""
    body, digest = content[:-STATE_SIZE], content[-STATE_SIZE:]
    if len(content) != RECORD_SIZE or hashlib.sha256(body).digest() != digest:
        sys.stdout.write(f"BROKEN checkpoint: {name} has {len(content)} bytes\n")
        sys.exit(BROKEN)
    return int(body[:8]), body[8 : 8 + STATE_SIZE]


def write(path: Path, content: bytes, mode: str) -> None:
    size = -(-len(content) // PIECES)
    with path.open(mode) as file:
        for begin in range(0, len(content), size):
            file.write(content[begin : begin + size])
            file.flush()
            time.sleep(PIECE_PAUSE)


# -- ways to write checkpoints: each has a function that saves and one that loads

FOLDER = Path(os.environ.get("CHECKPOINT_DIR", "."))


def save_renamed(state: State) -> None:
    write(FOLDER / "new.ckpt", pack(state), "wb")
    (FOLDER / "new.ckpt").replace(FOLDER / "last.ckpt")


def save_in_place(state: State) -> None:
    write(FOLDER / "last.ckpt", pack(state), "wb")


def load_last() -> State | None:
    path = FOLDER / "last.ckpt"
    return unpack(path.read_bytes(), path.name) if path.exists() else None


def save_growing(state: State) -> None:
    write(FOLDER / "history.ckpt", pack(state), "ab")


def load_history() -> State | None:
    path = FOLDER / "history.ckpt"
    content = path.read_bytes() if path.exists() else b""
    parts = [content[begin : begin + RECORD_SIZE] for begin in range(0, len(content), RECORD_SIZE)]
    states = [unpack(part, f"{path.name}, record {number}") for number, part in enumerate(parts, 1)]
    return states[-1] if states else None


def save_shards(state: State) -> None:
    """Write a folder of shards, rename it, and remove all but the newest two."""
    new, content = FOLDER / "new", pack(state)
    shutil.rmtree(new, ignore_errors=True)
    new.mkdir()
    size = -(-len(content) // PIECES)
    for number in range(PIECES):
        (new / f"shard-{number}").write_bytes(content[number * size : (number + 1) * size])
        time.sleep(PIECE_PAUSE)
    new.rename(FOLDER / f"step-{state[0]:08}")
    for old in sorted(FOLDER.glob("step-*"))[:-2]:
        shutil.rmtree(old)


def load_shards() -> State | None:
    def read(folder: Path) -> State:
        return unpack(b"".join(one.read_bytes() for one in sorted(folder.iterdir())), folder.name)

    states = [read(folder) for folder in sorted(FOLDER.glob("step-*"))]
    return states[-1] if states else None


STYLES: dict[str, tuple[Callable[[State], None], Callable[[], State | None]]] = {
    "renamed": (save_renamed, load_last),
    "shards": (save_shards, load_shards),
    "in-place": (save_in_place, load_last),
    "growing": (save_growing, load_history),
}


def main(style: str, seed: str, steps: int, every: int, pause: float) -> None:
    """Train from the checkpoint to the last step; after SIGTERM, save and end with `BEGIN_AGAIN`."""
    save, load = STYLES[style]
    stopped: list[int] = []
    signal.signal(signal.SIGTERM, lambda number, _frame: stopped.append(number))
    with Path(os.environ["LOG_DIR"], "steps.txt").open("a", buffering=1) as record:

        def note(what: str, step: int) -> None:
            record.write(f"{time.time():.3f} {os.environ.get('ATTEMPT', '1')} {what} {step}\n")

        state = load() or first_state(seed)
        note("begin", state[0])
        sys.stdout.write(f"begins after step {state[0]}\n")
        while state[0] < steps:
            time.sleep(pause)
            state = next_state(state)
            note("step", state[0])
            if state[0] % every == 0 or stopped:
                save(state)
                note("saved", state[0])
            if stopped:
                note("stopped", state[0])
                sys.exit(BEGIN_AGAIN)
        Path(os.environ["RESULT_DIR"], "weights.bin").write_bytes(weights(state))
        note("end", state[0])


if __name__ == "__main__":
    main(sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4]), float(sys.argv[5]))
