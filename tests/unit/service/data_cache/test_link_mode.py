from __future__ import annotations

import pytest

from airflow_dlaas.service.data_cache.link_mode import LinkMode, choose_link_mode


@pytest.mark.parametrize("isolation", ["bubblewrap", "container", "none"])
@pytest.mark.parametrize("is_root", [False, True])
@pytest.mark.parametrize("hard_links", [False, True])
def test_reflinks_are_chosen_wherever_there_are_some(isolation: str, is_root: bool, hard_links: bool) -> None:
    choice = choose_link_mode(isolation, is_root=is_root, reflinks=True, hard_links=hard_links)
    assert choice.mode is LinkMode.REFLINK


@pytest.mark.parametrize(
    ("isolation", "is_root", "mode"),
    [
        ("bubblewrap", False, LinkMode.SYMLINK),
        ("bubblewrap", True, LinkMode.SYMLINK),
        ("container", False, LinkMode.SYMLINK),
        ("container", True, LinkMode.SYMLINK),
        ("none", False, LinkMode.HARDLINK),
        ("none", True, LinkMode.COPY),
    ],
)
def test_linked_files_are_out_of_reach_of_the_command(isolation: str, is_root: bool, mode: LinkMode) -> None:
    """Root can write a file without write permission, so without isolation it gets copies."""
    choice = choose_link_mode(isolation, is_root=is_root, reflinks=False, hard_links=True)
    assert choice.mode is mode
    assert choice.reason


@pytest.mark.parametrize("isolation", ["bubblewrap", "container", "none"])
def test_files_of_another_file_system_are_copied(isolation: str) -> None:
    choice = choose_link_mode(isolation, is_root=False, reflinks=False, hard_links=False)
    assert choice.mode is LinkMode.COPY
    assert "another file system" in choice.reason
