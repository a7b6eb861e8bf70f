"""The environment of a command in a sandbox, which bwrap itself does not get."""

from __future__ import annotations

import os

import pytest

from airflow_dlaas.service.learner.sandbox_environment import sandbox_with_environment


def test_sandbox_reads_the_environment_from_a_file_without_a_name() -> None:
    environment = {"LD_PRELOAD": "./own.so", "TOKEN": "hf_\nabc é"}
    with sandbox_with_environment(["bwrap", "--dev", "/dev", "--", "sh"], environment) as (line, descriptor):
        assert line == ["bwrap", "--args", str(descriptor), "--dev", "/dev", "--", "sh"]
        assert os.read(descriptor, 1000) == (b"--setenv\0LD_PRELOAD\0./own.so\0--setenv\0TOKEN\0hf_\nabc \xc3\xa9\0")
    with pytest.raises(OSError, match="Bad file descriptor"):
        os.fstat(descriptor)
