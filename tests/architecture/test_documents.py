"""Documents name modules, files and tests that exist."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]

DOCUMENTS = sorted(
    path.relative_to(ROOT).as_posix()
    for path in (*ROOT.glob("*.md"), *ROOT.glob("docs/**/*.md"), *ROOT.glob("ui/*.md"))
    if path.name != "CHANGELOG.md"  # may name what was removed
)

MODULE = re.compile(r"\bairflow_dlaas(?:\.[a-z_][a-z_0-9]*)+\b")
LINK = re.compile(r"\]\((?!https?:|#)([^)#]+)(?:#[^)]*)?\)")
TEST = re.compile(r"`((?:unit|integration|system|conformance|chaos|fuzz|architecture)/[\w/]+(?:\.py|/))`")


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_name_modules_that_exist(name: str) -> None:
    """Each dotted name is a module, or an attribute of one."""
    missing = []
    for dotted in sorted(set(MODULE.findall((ROOT / name).read_text(encoding="utf-8")))):
        module, _, attribute = dotted.rpartition(".")
        if (ROOT / dotted.replace(".", "/")).is_dir() or (ROOT / f"{dotted.replace('.', '/')}.py").is_file():
            continue
        source = ROOT / f"{module.replace('.', '/')}.py"
        if not (source.is_file() and re.search(rf"\b{attribute}\b", source.read_text(encoding="utf-8"))):
            missing.append(dotted)
    assert not missing


@pytest.mark.parametrize("name", DOCUMENTS)
def test_documents_link_to_files_that_exist(name: str) -> None:
    """Relative links lead to a file or a folder of the checkout."""
    document = ROOT / name
    links = LINK.findall(document.read_text(encoding="utf-8"))
    assert not [link for link in links if not (document.parent / link).exists()]


def test_guarantees_name_tests_that_exist() -> None:
    """A promise names the file that tests it."""
    named = set(TEST.findall((ROOT / "docs/guarantees.md").read_text(encoding="utf-8")))
    assert named
    assert not [path for path in sorted(named) if not (ROOT / "tests" / path).exists()]


def test_glossary_names_code_that_exists() -> None:
    """The last column of the glossary has module names without ``airflow_dlaas.``, some with a name in the module."""
    missing = []
    for name in re.findall(r"`((?:[a-z_]+\.)+[A-Za-z_]+)`", (ROOT / "docs/glossary.md").read_text(encoding="utf-8")):
        path = ROOT / "airflow_dlaas" / name.removeprefix("airflow_dlaas.").replace(".", "/")
        source = path.parent.with_suffix(".py")
        defined = source.is_file() and re.search(rf"\b{path.name}\b", source.read_text(encoding="utf-8"))
        if not (path.is_dir() or path.with_suffix(".py").is_file() or defined):
            missing.append(name)
    assert not missing
