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


def test_curves_are_told_once_and_again_when_they_have_changed(service, run: str) -> None:
    service.job(run).metrics.write_text("".join(LINE.format(step, 1 / step) for step in range(1, 101)))
    told = ask(service, run, "metrics", points=10)
    (series,) = told["series"]
    assert (series["name"], series["phase"], series["total"]) == ("loss", "validation", 100)
    assert len(series["points"]) <= 10
    assert "series" not in ask(service, run, "metrics", points=10, unless=told["version"])
    assert not told["complete"]
    end(service, run, exit_code=0)
    assert ask(service, run, "metrics", points=10, unless=told["version"])["complete"]


def test_a_value_that_is_no_number_reads_back_as_one(service, run: str) -> None:
    service.job(run).metrics.write_text(LINE.format(1, '"NaN"'))
    assert ask(service, run, "metrics")["series"][0]["points"][0][1] == "NaN"


def test_a_training_that_has_not_begun_has_no_curve_and_no_log(service) -> None:
    run = service.submit()
    assert ask(service, run, "metrics")["series"] == []
    assert ask(service, run, "log", tail=100)["text"] == ""


def test_a_log_is_told_in_whole_lines_from_both_ends(service, run: str) -> None:
    service.job(run).log.write_text("".join(f"line {number}\n" for number in range(1000)) + "half a l")
    end_of_it = ask(service, run, "log", tail=30)
    assert end_of_it["text"] == "line 998\nline 999\n"
    first = ask(service, run, "log", offset=0, limit=15)
    assert first["text"] == "line 0\nline 1\n"
    assert ask(service, run, "log", offset=first["end"], limit=8)["text"] == "line 2\n"
    end(service, run, exit_code=0)
    after = ask(service, run, "log", offset=end_of_it["end"])
    assert (after["text"], after["complete"]) == ("half a l", True)


def test_a_line_longer_than_the_window_comes_in_pieces(service, run: str) -> None:
    service.job(run).log.write_text("x" * 100 + "\n")
    assert ask(service, run, "log", offset=0, limit=40)["end"] == 40
    assert ask(service, run, "log", tail=20)["text"] == "x" * 19 + "\n"


def test_lines_are_found_whatever_their_case_and_the_search_goes_on_where_it_stopped(
    service, run: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    service.job(run).log.write_text("Epoch 1\nnothing\nepoch 2\nEPOCH 3\n")
    monkeypatch.setattr(log_slices, "MAX_MATCHES", 2)  # a constant of hundreds: the promise is the same with two
    first = ask(service, run, "log/search", text="ePoch")
    assert [one["line"] for one in first["matches"]] == ["Epoch 1", "epoch 2"]
    assert first["matches"][1]["start"] == 16
    second = ask(service, run, "log/search", text="ePoch", offset=first["next"])
    assert [one["line"] for one in second["matches"]] == ["EPOCH 3"]
    assert "next" not in second
    beyond = ask(service, run, "log/search", text="ePoch", offset=2**53)
    assert beyond == {"matches": []}


def test_another_user_is_told_nothing_of_them(service, run: str) -> None:
    service.client.headers["Authorization"] = f"Bearer {service.log_in('other')}"
    for what in ("metrics", "log", "log/search?text=a"):
        assert service.client.get(f"/v3/models/{run}/{what}").status_code == 404


def test_offset_and_tail_together_are_refused_by_name(service, run: str) -> None:
    reply = service.client.get(f"/v3/models/{run}/log", params={"offset": 1, "tail": 1})
    assert reply.status_code == 400
    assert reply.json()["errors"][0]["target"]["name"] == "tail"
