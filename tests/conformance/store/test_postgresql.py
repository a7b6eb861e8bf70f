"""The PostgreSQL server that the tests start."""

from __future__ import annotations

import pytest
from sqlalchemy import create_engine, text

from tests import postgresql

pytestmark = pytest.mark.postgresql


@pytest.mark.parametrize("locale", ["C", "xx_XX.UTF-8"])
def test_test_server_stores_any_text_in_any_locale(locale: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """cron and small containers use `C`; an SSH login may set a locale that is not installed."""
    if postgresql.installed() is None:
        pytest.skip(postgresql.ABSENT)
    monkeypatch.delenv(postgresql.VARIABLE, raising=False)
    monkeypatch.setenv("LC_ALL", locale)
    with postgresql.server() as url:
        assert url is not None
        engine = create_engine(url)
        with engine.connect() as connection:
            assert connection.execute(text("SELECT chr(233)")).scalar() == "é"
        engine.dispose()
