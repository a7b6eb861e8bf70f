"""The choice of a framework's version from the catalogue."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.train.framework import choose_runtime, split_framework
from airflow_dlaas.contract.instance import Runtime
from airflow_dlaas.exceptions import InvalidArgument


def runtime(version: str, *aliases: str, compatibility: bool = False, unavailable: str | None = None) -> Runtime:
    return Runtime(
        framework="torch",
        version=version,
        aliases=aliases,
        provides="…",
        compatibility=compatibility,
        unavailable=unavailable,
    )


@pytest.mark.parametrize(
    ("text", "result"),
    [
        ("torch", ("torch", None)),
        ("Torch:2.13", ("torch", "2.13")),
        ("tensorflow:1.2-py3", ("tensorflow", "1.2-py3")),
        ("our-own_jax", ("our-own_jax", None)),
    ],
)
def test_framework_has_a_name_and_maybe_a_version(text: str, result: tuple[str, str | None]) -> None:
    assert split_framework(text) == result


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "the name is missing in ''"),
        (":2", "the name is missing in ':2'"),
        ("torch:", "the version is missing"),
    ],
)
def test_unknown_framework_is_refused_with_the_way_out(text: str, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        split_framework(text)


def test_newest_version_is_the_largest_that_can_be_used_now() -> None:
    old, new = runtime("2.9"), runtime("2.13")
    broken, compatible = runtime("3.0", unavailable="no driver"), runtime("9.9", compatibility=True)
    assert choose_runtime([new, old, broken, compatible], "torch", None) is new
    assert choose_runtime([compatible], "torch", None) is compatible


def test_named_version_is_found_by_its_aliases_and_never_rounded() -> None:
    entry = runtime("2.13", "2", "2.13.0")
    assert choose_runtime([entry], "torch", "2.13.0") is entry
    with pytest.raises(InvalidArgument, match=r"has no torch 2\.1; it has 2\.13"):
        choose_runtime([entry], "torch", "2.1")


def test_version_that_cannot_be_used_is_refused_with_the_reason() -> None:
    broken = runtime("3.0", unavailable="no driver")
    with pytest.raises(InvalidArgument, match=r"torch 3\.0 cannot be used now: no driver"):
        choose_runtime([broken], "torch", "3.0")
    with pytest.raises(InvalidArgument, match=r"no version of torch can be used now \(3.0: no driver\)"):
        choose_runtime([broken], "torch", None)
    with pytest.raises(InvalidArgument, match=r"this service has no caffe; it has torch$"):
        choose_runtime([broken], "caffe", None)
    with pytest.raises(InvalidArgument, match=r"no pytorch; it has torch \(PyTorch is called torch\)"):
        choose_runtime([broken], "pytorch", None)
