"""What a bundle requires, read from its files."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.service.packages.errors import RequirementsRefused, error_of_output
from airflow_dlaas.service.packages.requirements import logical_lines, requested_packages, requirement_name


def write(folder: Path, **files: str) -> Path:
    for name, text in files.items():
        path = folder / name.replace("__", "/").replace("_", ".", 1)
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text)
    return folder


def refusal(folder: Path) -> str:
    with pytest.raises(RequirementsRefused) as caught:
        requested_packages(folder)
    return str(caught.value)


@pytest.mark.parametrize("files", [{}, {"pyproject_toml": "[tool.ruff]"}, {"requirements_txt": "# nothing\n\n"}])
def test_code_that_requires_nothing(tmp_path: Path, files: dict[str, str]) -> None:
    assert requested_packages(write(tmp_path, **files)) is None


def test_requirements_of_all_included_files(tmp_path: Path) -> None:
    write(
        tmp_path,
        requirements_txt="--extra-index-url https://wheels.example.org/cu # GPU\n-r more/base.txt\nA_b[x] >= 1 ; "
        "python_version > '3'\nc==2 \\\n  --hash=sha256:00 \\\n  --hash=sha256:11\n--pre\n-c limits.txt\n",
        limits_txt="d<3\n",
    )
    write(
        tmp_path, more__base_txt="e\n-r other.txt\n", more__other_txt="f @ https://example.org/f-1-py3-none-any.whl\n"
    )
    found = requested_packages(tmp_path)
    assert found is not None
    assert found.requirements == (
        "e",
        "f @ https://example.org/f-1-py3-none-any.whl",
        'A_b[x]>=1; python_version > "3"',
        "c==2 --hash=sha256:00 --hash=sha256:11",
    )
    assert found.constraints == ("d<3",)
    assert found.options == ("--extra-index-url https://wheels.example.org/cu", "--pre")


def test_comment_changes_the_digest(tmp_path: Path) -> None:
    """A comment is how an author asks for newer versions of the same requirements."""
    digests = set()
    for text in ("a\n", "a\n# refresh: 2026-12\n"):
        found = requested_packages(write(tmp_path, requirements_txt=text))
        assert found is not None
        digests.add(found.digest)
    assert len(digests) == 2


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("-r ../../credentials.json", "no file of the code"),
        ("-r /etc/passwd", "no file of the code"),
        ("-r missing.txt", "no file of the code"),
        ("-r requirements.txt", "include each other"),
        ("-e .", "-e is not supported"),
        ("--editable=.", "--editable is not supported"),
        ("./wheels/a.whl", "DLAAS_WHEELS"),
        ("a @ file:///etc/passwd", "https://"),
        ("--find-links /root", "https:// URL"),
        ("--index-url=file:///root", "https:// URL"),
        ("--config-settings x", "not supported"),
        ("a b", "no requirement"),
    ],
)
def test_line_that_is_not_supported_is_named(tmp_path: Path, line: str, words: str) -> None:
    folder = write(tmp_path / "code", requirements_txt=f"ok\n{line}\n")
    assert words in refusal(folder)


def test_link_out_of_the_code_is_not_read(tmp_path: Path) -> None:
    (tmp_path / "secret").write_text("the-secret")
    folder = write(tmp_path / "code", requirements_txt="-r link.txt\n")
    (folder / "link.txt").symlink_to(tmp_path / "secret")
    assert "the-secret" not in refusal(folder)


def test_two_deciding_files_are_refused(tmp_path: Path) -> None:
    assert "keep the one" in refusal(write(tmp_path, requirements_txt="a", uv_lock="x", pyproject_toml="y"))
    (tmp_path / "requirements.txt").unlink()
    (tmp_path / "pyproject.toml").unlink()
    assert "needs its pyproject.toml" in refusal(tmp_path)


def test_logical_lines_join_continued_ones() -> None:
    assert list(logical_lines("a \\\n b # c\n#x\nu#v\n\nlast \\")) == [(1, "a   b"), (4, "u#v"), (6, "last")]


def test_requirement_name_is_normalized() -> None:
    assert [
        requirement_name(one) for one in ("A_b==1 --hash=sha256:0", "--pre", "c.d[x]>1 ; python_version > '3'")
    ] == [
        "a-b",
        None,
        "c-d",
    ]


@pytest.mark.parametrize(
    ("output", "kind", "words"),
    [
        ("error: No solution found\n  cause: Because a was not found in the cache, network was disabled", "C", ""),
        ("error: Failed to fetch: `https://x/simple/a/`\n  cause: dns error", "S", "does not answer"),
        ("error: failed to write: No space left on device (os error 28)", "S", "disk is full"),
        ("hint: lack of valid authentication credentials (401 Unauthorized)\nerror: No solution found", "S", "login"),
        ("uv could not be started: [Errno 2]", "S", "does not start"),
        ("  cause: Because a==1 has no usable wheels", "C", "DLAAS_WHEELS"),
        ("error: Hash mismatch for `a==1`", "C", "Hash mismatch"),
    ],
)  # fmt: skip
def test_output_of_uv_decides_who_can_act(output: str, kind: str, words: str) -> None:
    error = error_of_output("The packages", output.splitlines())
    assert isinstance(error, RequirementsRefused) == (kind == "C")
    assert words in str(error)
    assert output.splitlines()[0] in str(error)
