from __future__ import annotations

import pytest

from airflow_dlaas.service.api import log_slices
from tests.unit.service.api.test_models import end, start

LINE = '{{"timestamp":"2026-03-01T12:00:00Z","iteration":{},"values":[{{"name":"val_loss","value":{}}}]}}\n'


@pytest.fixture
def run(service) -> str:
    made: str = service.submit()
    start(service, made)
    return made


def ask(service, run: str, what: str, **query: object):
    reply = service.client.get(f"/v3/models/{run}/{what}", params=query)
    assert reply.status_code == 200, reply.text
    return reply.json()


def test_curves_are_sent_again_only_after_a_change(service, run: str) -> None:
    service.job(run).metrics.write_text("".join(LINE.format(step, 1 / step) for step in range(1, 101)))
    curves = ask(service, run, "metrics", points=10)
    (series,) = curves["series"]
    assert (series["name"], series["phase"], series["total"]) == ("loss", "validation", 100)
    assert len(series["points"]) <= 10
    assert "series" not in ask(service, run, "metrics", points=10, unless=curves["version"])
    assert not curves["complete"]
    end(service, run, exit_code=0)
    assert ask(service, run, "metrics", points=10, unless=curves["version"])["complete"]


def test_nan_values_can_be_parsed_from_the_response(service, run: str) -> None:
    service.job(run).metrics.write_text(LINE.format(1, '"NaN"'))
    assert ask(service, run, "metrics")["series"][0]["points"][0][1] == "NaN"


def test_queued_training_has_empty_curves_and_log(service) -> None:
    run = service.submit()
    assert ask(service, run, "metrics")["series"] == []
    assert ask(service, run, "log", tail=100)["text"] == ""


def test_log_slices_have_whole_lines(service, run: str) -> None:
    service.job(run).log.write_text("".join(f"line {number}\n" for number in range(1000)) + "half a l")
    end_of_it = ask(service, run, "log", tail=30)
    assert end_of_it["text"] == "line 998\nline 999\n"
    first = ask(service, run, "log", offset=0, limit=15)
    assert first["text"] == "line 0\nline 1\n"
    assert ask(service, run, "log", offset=first["end"], limit=8)["text"] == "line 2\n"
    end(service, run, exit_code=0)
    after = ask(service, run, "log", offset=end_of_it["end"])
    assert (after["text"], after["complete"]) == ("half a l", True)


def test_line_longer_than_the_limit_comes_in_slices(service, run: str) -> None:
    service.job(run).log.write_text("x" * 100 + "\n")
    assert ask(service, run, "log", offset=0, limit=40)["end"] == 40
    assert ask(service, run, "log", tail=20)["text"] == "x" * 19 + "\n"


def test_search_ignores_case_and_can_be_continued(service, run: str, monkeypatch: pytest.MonkeyPatch) -> None:
    service.job(run).log.write_text("Epoch 1\nnothing\nepoch 2\nEPOCH 3\n")
    monkeypatch.setattr(log_slices, "MAX_MATCHES", 2)  # smaller than the real limit, for a short log
    first = ask(service, run, "log/search", text="ePoch")
    assert [one["line"] for one in first["matches"]] == ["Epoch 1", "epoch 2"]
    assert first["matches"][1]["start"] == 16
    second = ask(service, run, "log/search", text="ePoch", offset=first["next"])
    assert [one["line"] for one in second["matches"]] == ["EPOCH 3"]
    assert "next" not in second
    beyond = ask(service, run, "log/search", text="ePoch", offset=2**53)
    assert beyond == {"matches": []}


def test_metrics_and_log_of_another_user_are_not_found(service, run: str) -> None:
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    for what in ("metrics", "log", "log/search?text=a"):
        assert service.client.get(f"/v3/models/{run}/{what}").status_code == 404


def test_offset_with_tail_is_refused(service, run: str) -> None:
    reply = service.client.get(f"/v3/models/{run}/log", params={"offset": 1, "tail": 1})
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["target"]["name"] == "tail"
