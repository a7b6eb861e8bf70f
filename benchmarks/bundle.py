"""
What packaging costs: a folder of code into one zip, beside what people use for that otherwise.

Run by hand: ``python benchmarks/bundle.py``. 200 files of source-like text, about 5 MiB, the same on every machine.
Each way in turn, round by round, in an order that changes; ours also refuses secrets and gives the same bytes each
time, which neither of the others does.
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
TARGET = 2.0
"""How many times as long as ``zip`` it may take."""

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


def a_program(chance: random.Random) -> str:
    """Text that compresses as code does, to about a quarter."""
    names = WORDS.split()
    lines: list[str] = []
    length = 0
    while length < SIZE:
        words = chance.choices(names, k=5)
        lines.append(chance.choice(LINES).format(*words, chance.randrange(1000), chance.randrange(1000)))
        length += len(lines[-1])
    return "".join(lines)


def lay(folder: Path) -> int:
    """Write the files; their bytes together."""
    folder.mkdir()
    for number in range(FILES):
        (folder / f"module_{number:03}.py").write_text(a_program(random.Random(number)))
    return sum(one.stat().st_size for one in folder.iterdir())


def by_zip(code: Path, target: Path) -> None:
    subprocess.run(["zip", "-r", "-q", target, "."], cwd=code, check=True)


def by_make_archive(code: Path, target: Path) -> None:
    shutil.make_archive(str(target.with_suffix("")), "zip", code)


def by_pack(code: Path, target: Path) -> None:
    archive.pack(code, target=target)


WAYS: dict[str, Callable[[Path, Path], None]] = {
    "bundle.pack": by_pack,
    "zip -r -q": by_zip,
    "shutil.make_archive": by_make_archive,
}


def main() -> None:
    with tempfile.TemporaryDirectory() as name:
        folder = Path(name)
        total = lay(folder / "code")
        print(f"{FILES} files, {total / 2**20:.2f} MiB")
        seconds: dict[str, list[float]] = {way: [] for way in WAYS}
        sizes: dict[str, int] = {}
        for number in range(-1, ROUNDS):  # the first round only warms up
            for way in sorted(WAYS, key=lambda _: random.random()):
                target = folder / "out" / f"{number}.zip"
                target.parent.mkdir()
                begun = time.perf_counter()
                WAYS[way](folder / "code", target)
                if number >= 0:
                    seconds[way].append(time.perf_counter() - begun)
                sizes[way] = target.stat().st_size
                shutil.rmtree(target.parent)
        medians = {way: statistics.median(taken) for way, taken in seconds.items()}
        for way, median in medians.items():
            print(
                f"{way:20} {median:.3f} s ({min(seconds[way]):.3f} to {max(seconds[way]):.3f}; "
                f"median of {ROUNDS}), {sizes[way] / 2**20:.2f} MiB"
            )
        ratios = [ours / theirs for ours, theirs in zip(seconds["bundle.pack"], seconds["zip -r -q"], strict=True)]
        print(
            f"bundle.pack takes {medians['bundle.pack'] / medians['zip -r -q']:.2f} times as long as zip "
            f"(by rounds {min(ratios):.2f} to {max(ratios):.2f}; at most {TARGET:g} is the aim), "
            f"{medians['bundle.pack'] / medians['shutil.make_archive']:.2f} times as long as shutil.make_archive"
        )


if __name__ == "__main__":
    main()
