from __future__ import annotations

import logging

import pytest


@pytest.fixture
def logger(caplog: pytest.LogCaptureFixture) -> logging.Logger:
    """A logger whose messages are in ``caplog``, from INFO on."""
    caplog.set_level(logging.INFO, "test")
    return logging.getLogger("test")
