"""The learner's log files: each line has a time, and no message or file stops the learner."""

from __future__ import annotations

import logging
import re
from pathlib import Path

import pytest

from airflow_dlaas.service.learner.log_file import file_logger, throttled
from airflow_dlaas.service.learner.secret_mask import SecretMask

TIME = r"\d{4}-\d\d-\d\dT\d\d:\d\d:\d\d[^ ]* "


def test_each_line_of_a_message_has_the_time_and_a_warning_its_level(tmp_path: Path) -> None:
    logger = file_logger(tmp_path / "a.log")
    logger.info("%s", "one\ntwo")
    logger.warning("three\nfour")
    logger.debug("dropped")
    lines = (tmp_path / "a.log").read_text().splitlines()
    assert [re.sub(f"^{TIME}", "", line) for line in lines] == ["one", "two", "WARNING three", "WARNING four"]
    assert all(re.match(TIME, line) for line in lines)


def test_name_that_is_not_utf_8_is_logged(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    file_logger(tmp_path / "a.log").warning("Not stored: %s", b"caf\xe9".decode("utf-8", "surrogateescape"))
    assert (tmp_path / "a.log").read_text().endswith("WARNING Not stored: caf\\udce9\n")
    assert capfd.readouterr() == ("", "")


def test_unusable_file_loses_lines_without_an_error(tmp_path: Path, capfd: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "target").touch()
    (tmp_path / "link.log").symlink_to(tmp_path / "target")
    file_logger(tmp_path / "link.log").info("through a link")
    file_logger(tmp_path / "missing" / "a.log").info("into no directory")
    assert (tmp_path / "target").read_text() == ""
    assert capfd.readouterr() == ("", "")


def test_message_with_wrong_arguments_raises_no_error(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    logger = file_logger(tmp_path / "a.log")
    logger.info("%d files", "many")
    logger.info("next")
    assert (tmp_path / "a.log").read_text().endswith(" next\n")
    assert "Logging error" in capsys.readouterr().err


def test_throttled_messages_are_logged_at_most_once_per_interval(
    logger: logging.Logger, caplog: pytest.LogCaptureFixture
) -> None:
    rarely, always = throttled(logger, interval=3600), throttled(logger, interval=0)
    rarely(lambda: pytest.fail("a message that is not logged was formatted"))
    always(lambda: "first")
    always(lambda: "second")
    assert caplog.messages == ["first", "second"]


def test_secrets_are_masked(tmp_path: Path) -> None:
    file_logger(tmp_path / "a.log", SecretMask.of_values(["hf_abcdef"])).warning("Not stored: %s", "a hf_abcdef")
    assert (tmp_path / "a.log").read_text().endswith(" WARNING Not stored: a ***\n")
