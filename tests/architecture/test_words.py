"""The words that the project does not use: docs/glossary.md says which terms it uses instead."""

from __future__ import annotations

import re
import subprocess
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

BANNED = {
    "nobody|somebody|someone|whoever|anybody|everybody": "name the actor: the user, the task, the service",
    # Not `tell()`, a method of the files of Python.
    r"tell(?!\()|tells|told|telling": "report, log, show, return, notify",
    "hear|hears|heard|hearing": "receive, read",
    "say|says|said|saying": "state, log, report; a setting or a message: contains",
    "insist|insists|insisted": "require_…, check",
    "attend|attends|attending": "wait for",
    "patience|patient|patiently": "retry policy, timeout",
    "trouble|troubles|troubled": "error, failure",
    "in vain": "failed, without a result",
    "crew|haulage|leash|grumble|eyes": "the technical term, see docs/glossary.md",
}
"""Pattern of whole words, and what to write instead. Short on purpose: words that hid a meaning before."""

TEXT_SUFFIXES = {".py", ".md", ".toml", ".ts", ".tsx", ".yml", ".yaml", ".cfg", ".html"}

EXCEPTIONS = {
    "docs/glossary.md",  # names the words
    "tests/architecture/test_words.py",
}

EXCLUDED_FOLDERS = ("airflow_dlaas/plugin/static/", "docs/images/", "tests/cases/", "tests/data/")
"""Generated files, and data of other programs."""


def tracked_files() -> list[str]:
    """List the text files of the checkout."""
    listed = subprocess.run(["git", "ls-files", "-z"], cwd=ROOT, capture_output=True, text=True, check=True).stdout
    return [
        name
        for name in listed.split("\0")
        if Path(name).suffix in TEXT_SUFFIXES and name not in EXCEPTIONS and not name.startswith(EXCLUDED_FOLDERS)
    ]


@pytest.mark.parametrize(("words", "instead"), BANNED.items(), ids=[words.partition("|")[0] for words in BANNED])
def test_text_contains_no_banned_word(words: str, instead: str) -> None:
    """Code, comments, messages, documents and pages use the terms of the glossary."""
    # An underscore separates words: a name is read like a sentence.
    pattern = re.compile(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", re.IGNORECASE)
    found = []
    for name in tracked_files():
        path = ROOT / name
        if not path.is_file():
            continue
        found += [
            f"{name}:{number}: {line.strip()[:100]}"
            for number, line in enumerate(path.read_text(encoding="utf-8").splitlines(), 1)
            if pattern.search(line)
        ]
    assert not found, f"Write instead: {instead}\n" + "\n".join(found[:50])


@pytest.mark.parametrize(
    "line", ["# Nobody waits.", "def told_twice(): ...", 'raise ValueError("It says no")', "eine Crew"]
)
def test_the_check_finds_a_banned_word_in_any_place(line: str) -> None:
    """The pattern finds words in comments, names, messages and prose."""
    assert any(re.search(rf"(?<![A-Za-z])(?:{words})(?![A-Za-z])", line, re.IGNORECASE) for words in BANNED)
