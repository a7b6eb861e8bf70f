"""The allowlist of container images."""

from __future__ import annotations

import pytest

from airflow_dlaas.service.image_allowlist import ALLOW_NO_IMAGE, ImageAllowlist

DIGEST = "sha256:" + "0123456789abcdef" * 4


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("registry.example.org/team/*:*", "registry.example.org/team/jax:0.10"),
        ("registry.example.org/team/*", "registry.example.org/team/jax"),
        ("registry.example.org/**:*", "registry.example.org/team/sub/jax:latest"),
        ("localhost:5000/x:1", "localhost:5000/x:1"),
        ("localhost:*/x:1", "localhost:5000/x:1"),
        ("*.example.org/x:*", "a.example.org/x:V1_b"),
        ("torch", "torch"),
        ("team/x@sha256:*", f"team/x@{DIGEST}"),
        ("team/x@*", f"team/x@{DIGEST}"),
        ("team/x:*@*", f"team/x:1@{DIGEST}"),
        ("a:1, team/x:2*", "team/x:2.13"),
    ],
)
def test_reference_that_matches_a_pattern_is_allowed(pattern: str, reference: str) -> None:
    assert ImageAllowlist.parse(pattern).refusal_reason(reference) is None


@pytest.mark.parametrize(
    ("pattern", "reference"),
    [
        ("team/x", "team/x:1"),  # a pattern without a tag allows no tag
        ("team/x:*", "team/x"),  # and no tag is not written as `latest`
        ("team/x:1", "team/x:11"),
        ("team/x:*", f"team/x@{DIGEST}"),
        ("team/x:1*", f"team/x:1@{DIGEST}"),  # an engine ignores the tag beside a digest
        ("team/*:*", "team/sub/x:1"),
        ("*.example.org/x:*", "evil.net/a.example.org/x:1"),
        ("team/x:1", "docker.io/team/x:1"),
        ("docker.io/library/x:1", "x:1"),
        ("team/x:a", "team/x:A"),
        ("registry.example.org/x:1", "registry.example.org:443/x:1"),
    ],
)
def test_reference_is_compared_as_it_is_written(pattern: str, reference: str) -> None:
    reason = ImageAllowlist.parse(pattern).refusal_reason(reference)
    assert reason is not None
    assert f"this site allows {pattern} (its operator sets DLAAS_IMAGES)" in reason


@pytest.mark.parametrize(
    "reference",
    [
        "docker-archive:/etc/passwd",
        "dir:5000/x",
        "oci:x",
        "docker://team/x",
        "-v",
        "--privileged",
        "team/../x",
        "/images/x.sif",
        "Team",
        "team/X:1",
        "team/x:1 --privileged",
        "team/x\n:1",
        "team/x@sha256:0123",
        "team//x",
        "team/x:",
        "user@host/x",
    ],
)
def test_reference_that_an_engine_could_take_for_something_else_is_refused(reference: str) -> None:
    reason = ImageAllowlist.parse("**,**:*,**@*").refusal_reason(reference)
    assert reason is not None
    assert "is no image reference" in reason


def test_long_reference_is_refused() -> None:
    assert "at most 240" in (ImageAllowlist.parse("*").refusal_reason("a" * 241) or "")


def test_default_allows_none_and_names_the_setting() -> None:
    assert "DLAAS_IMAGES" in (ALLOW_NO_IMAGE.refusal_reason("a") or "")


@pytest.mark.parametrize("text", ["", "a,,b", "a b", "team/x:*:*", "-x y", "https://a/b", "team/X"])
def test_pattern_of_another_form_is_refused(text: str) -> None:
    with pytest.raises(ValueError, match=r".*"):
        ImageAllowlist.parse(text)
