"""
The time to pack a folder of code into one archive, compared with ``zip`` and with `shutil.make_archive`.

Run by hand: ``python benchmarks/bundle.py``. The code is 200 files of source-like text, about 5 MiB, the same on every
machine. Each round measures every method once, in random order. Only `archive.pack` also refuses secrets and gives the
same bytes each time.
"""

from __future__ import annotations

import random
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[1]))

from airflow_dlaas.packaging import archive

FILES = 200
SIZE = 26 * 1024
"""Bytes of a file: together about 5 MiB."""
ROUNDS = 9
MAX_RATIO = 2.0
"""The aim: at most this many times the time of ``zip``."""

WORDS = """
batch weights layer loss epoch learning_rate train evaluate tensor images labels session graph optimizer
step accuracy dropout kernel stride padding inputs outputs logits shape placeholder variable checkpoint summary config
"""
LINES = (
    "def {0}_{1}({2}, {3}={5}):\n",
    "    {0} = {1}.{2}({3}, {4}[{5}:{6}])\n",
    "    if {0} > {5}.{6} and {1} is not None:\n",
    "        {0}_{1} = self.{2}({3} * {5} + {4})\n",
    "    for {0}, {1} in enumerate({2}.{3}()):\n",
    "    # The {0} of the {1} depends on {2} and {3} unless {4} is {5}.\n",
    '        raise ValueError(f"{0} and {1} differ: {{{2}}} of {{{3}}}, at {5}")\n',
    "    return {0}, {1}\n",
    "\n",
)


def source_text(rng: random.Random) -> str:
    """Make text that compresses as code does, to about a quarter of its size."""
    names = WORDS.split()
    lines: list[str] = []
    length = 0
    while length < SIZE:
        words = rng.choices(names, k=5)
        lines.append(rng.choice(LINES).format(*words, rng.randrange(1000), rng.randrange(1000)))
        length += len(lines[-1])
    return "".join(lines)


def write_code(folder: Path) -> int:
    """Write the files; return the total of their bytes."""
    folder.mkdir()
    for number in range(FILES):
        (folder / f"module_{number:03}.py").write_text(source_text(random.Random(number)))
    return sum(one.stat().st_size for one in folder.iterdir())


def pack_by_zip(code: Path, target: Path) -> None:
    subprocess.run(["zip", "-r", "-q", target, "."], cwd=code, check=True)


def pack_by_make_archive(code: Path, target: Path) -> None:
    shutil.make_archive(str(target.with_suffix("")), "zip", code)


def pack_by_us(code: Path, target: Path) -> None:
    archive.pack(code, target=target)


METHODS: dict[str, Callable[[Path, Path], None]] = {
    "archive.pack": pack_by_us,
    "zip -r -q": pack_by_zip,
    "shutil.make_archive": pack_by_make_archive,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        total = write_code(folder / "code")
        print(f"{FILES} files, {total / 2**20:.2f} MiB")
        seconds: dict[str, list[float]] = {method: [] for method in METHODS}
        sizes: dict[str, int] = {}
        for number in range(-1, ROUNDS):  # the first round only warms up
            for method in sorted(METHODS, key=lambda _: random.random()):
                target = folder / "out" / f"{number}.zip"
                target.parent.mkdir()
                begun = time.perf_counter()
                METHODS[method](folder / "code", target)
                if number >= 0:
                    seconds[method].append(time.perf_counter() - begun)
                sizes[method] = target.stat().st_size
                shutil.rmtree(target.parent)
        medians = {method: statistics.median(taken) for method, taken in seconds.items()}
        for method, median in medians.items():
            print(
                f"{method:20} {median:.3f} s ({min(seconds[method]):.3f} to {max(seconds[method]):.3f}; "
                f"median of {ROUNDS}), {sizes[method] / 2**20:.2f} MiB"
            )
        ratios = [ours / theirs for ours, theirs in zip(seconds["archive.pack"], seconds["zip -r -q"], strict=True)]
        print(
            f"archive.pack takes {medians['archive.pack'] / medians['zip -r -q']:.2f} times as long as zip "
            f"(by rounds {min(ratios):.2f} to {max(ratios):.2f}; at most {MAX_RATIO:g} is the aim), "
            f"{medians['archive.pack'] / medians['shutil.make_archive']:.2f} times as long as shutil.make_archive"
        )


if __name__ == "__main__":
    main()
