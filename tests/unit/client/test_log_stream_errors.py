from __future__ import annotations

import pytest
from websockets import exceptions

from airflow_dlaas.client.log_stream import _connection_error
from airflow_dlaas.exceptions import ProtocolError


def test_error_of_an_invalid_proxy_shows_no_password_of_its_url():
    if not hasattr(exceptions, "InvalidProxy"):
        pytest.skip("websockets before 15 uses no proxy")
    error = exceptions.InvalidProxy("ftp://user:hunter2@proxy", "scheme ftp isn't supported")
    result = _connection_error(error, "http://service", "training-a", 0)
    assert isinstance(result, ProtocolError)
    assert "hunter2" not in f"{result} {result.__cause__}"
