from __future__ import annotations

import base64
import json
from dataclasses import replace
from email.utils import formatdate

import pytest

from airflow_dlaas._util.retry import NO_RETRY, RetryPolicy
from airflow_dlaas.client import calls
from airflow_dlaas.client.bearer_token import BearerToken
from airflow_dlaas.client.protocol import (
    DEFAULT_RETRY,
    Delay,
    GetToken,
    HttpResponse,
    NoResponse,
    SendRequest,
    exchange,
)
from airflow_dlaas.exceptions import (
    ApiError,
    NotFound,
    ProtocolError,
    RateLimited,
    Unauthenticated,
    Unavailable,
    Unreachable,
)

NOW = 1_700_000_000.0
READ = calls.Call("GET", "/x", bytes.decode, is_idempotent=True)
WRITE = calls.Call("POST", "/x", bytes.decode)
DELETE = calls.delete_training("t")
A, B = BearerToken("aaa", None), BearerToken("bbb", None)
RESET = NoResponse("reset", NOW, maybe_sent=True)
REFUSED = NoResponse("refused", NOW, maybe_sent=False)


def ok(content=b"fine"):
    return HttpResponse(200, content, NOW)


def refusal(status, code="", at=NOW, **headers):
    errors = [{"code": code, "message": "no"}]
    content = json.dumps({"trace": "0" * 32, "errors": errors}).encode() if code else b"<html>no</html>"
    return HttpResponse(status, content, at, {name.replace("_", "-"): value for name, value in headers.items()})


def play(call, *answers, retries=DEFAULT_RETRY, draw=0.5):
    """Run the steps of *call* with *answers* to its requests; return the result and the steps."""
    steps = exchange(call, retries, lambda: draw)
    outcomes, tokens, seen = list(answers), [A, B], []
    answer = None
    while True:
        try:
            step = steps.send(answer)
        except StopIteration as done:
            assert not outcomes, "there are answers without a request"
            return done.value, seen
        seen.append(step)
        answer = (
            outcomes.pop(0) if isinstance(step, SendRequest) else tokens.pop(0) if isinstance(step, GetToken) else None
        )


def pauses(seen):
    return [step.seconds for step in seen if isinstance(step, Delay)]


def test_exchange_gets_a_token_and_sends_the_call_with_it():
    assert play(READ, ok()) == ("fine", [GetToken(None), SendRequest(READ, A)])


def test_request_for_a_token_needs_no_token():
    result, seen = play(calls.get_token(), ok(b'{"token": "t"}'))
    assert result.token.get_secret_value() == "t"
    assert [type(step) for step in seen] == [SendRequest]


@pytest.mark.parametrize("answer", [refusal(503), refusal(500), refusal(429), RESET, REFUSED])
def test_idempotent_call_is_retried_after_a_transient_error(answer):
    assert play(READ, answer, ok())[0] == "fine"


@pytest.mark.parametrize(
    ("answer", "error"), [(refusal(503), Unavailable), (refusal(500), Unavailable), (RESET, Unreachable)]
)
def test_call_that_may_have_been_executed_is_not_retried(answer, error):
    with pytest.raises(error):
        play(WRITE, answer)


@pytest.mark.parametrize("answer", [refusal(429), REFUSED])
def test_call_that_was_not_executed_is_retried(answer):
    assert play(WRITE, answer, ok())[0] == "fine"


@pytest.mark.parametrize("status", [400, 404, 405, 409, 413])
def test_permanent_error_is_raised_at_once(status):
    with pytest.raises(ApiError) as caught:
        play(READ, refusal(status))
    assert not caught.value.transient


def test_pauses_double_up_to_a_limit_with_full_jitter():
    retries = RetryPolicy(attempts=5, first_pause=1, max_pause=3, jitter=1, total_seconds=100)
    assert pauses(play(READ, RESET, RESET, RESET, RESET, ok(), retries=retries)[1]) == [0.5, 1, 1.5, 1.5]
    assert pauses(play(READ, RESET, ok(), draw=0.0)[1]) == [0]


def test_attempts_are_limited():
    with pytest.raises(Unreachable, match="reset"):
        play(READ, RESET, RESET, RESET, retries=replace(DEFAULT_RETRY, attempts=3))
    with pytest.raises(Unreachable):
        play(READ, RESET, retries=NO_RETRY)


def test_delay_has_the_error_and_the_number_of_the_next_attempt():
    delays = [step for step in play(READ, RESET, refusal(503), ok())[1] if isinstance(step, Delay)]
    assert [(str(one.error), one.attempt) for one in delays] == [
        ("reset", 2),
        ("The service responded with status 503 and gave no reason (underlying_api_error)", 3),
    ]


def test_no_attempt_begins_later_than_the_total_seconds_after_the_first_failure():
    late = NoResponse("slow", NOW + 61, maybe_sent=True)
    with pytest.raises(Unreachable, match="slow"):
        play(READ, RESET, late)


def test_pause_is_that_of_retry_after_in_seconds_or_as_a_date():
    assert pauses(play(READ, refusal(503, retry_after="7"), ok())[1]) == [7]
    assert pauses(play(READ, refusal(429, retry_after=formatdate(NOW + 9, usegmt=True)), ok())[1]) == [9]


def test_retry_after_date_is_relative_to_the_clock_of_the_service():
    there = NOW + 5000
    reply = refusal(503, retry_after=formatdate(there + 4, usegmt=True), date=formatdate(there, usegmt=True))
    assert pauses(play(READ, reply, ok())[1]) == [4]


@pytest.mark.parametrize("value", ["", "soon", "-3", "²", "1e3"])
def test_invalid_retry_after_is_ignored(value):
    assert pauses(play(READ, refusal(503, retry_after=value), ok())[1]) == [0.25]


def test_retry_after_beyond_the_total_seconds_raises_the_error():
    with pytest.raises(RateLimited) as caught:
        play(READ, refusal(429, "rate_limit_exceeded", retry_after="3600"))
    assert caught.value.retry_after == 3600


def test_refused_token_is_renewed_once_for_any_call():
    result, seen = play(WRITE, refusal(401, "expired_authorization_token"), ok())
    assert result == "fine"
    assert seen == [GetToken(None), SendRequest(WRITE, A), GetToken(A), SendRequest(WRITE, B)]


def test_second_refused_token_is_an_error():
    with pytest.raises(Unauthenticated):
        play(READ, refusal(401), refusal(401))


def test_refused_credentials_are_not_retried():
    with pytest.raises(Unauthenticated):
        play(calls.get_token(), refusal(401))


def test_delete_succeeds_with_404_after_an_attempt_that_may_have_been_executed():
    assert play(DELETE, RESET, refusal(404))[0] is None
    with pytest.raises(NotFound):
        play(DELETE, refusal(404))
    with pytest.raises(NotFound):
        play(DELETE, REFUSED, refusal(404))


def test_redirect_is_an_error_without_the_query():
    answer = HttpResponse(302, b"", NOW, {"location": "https://there/x?token=abc"}, "http://here", "http://here/x?y=z")
    words = r"^http://here redirects to https://there \(302\).*connection's URL"
    with pytest.raises(ProtocolError, match=words) as caught:
        play(READ, answer)
    assert "abc" not in str(caught.value)


def test_html_page_is_a_protocol_error():
    with pytest.raises(ProtocolError):
        play(calls.get_training("t"), ok(b"<html>"))


def test_error_of_the_library_is_the_cause():
    cause = OSError("reset by peer")
    with pytest.raises(Unreachable) as caught:
        play(WRITE, NoResponse("reset", NOW, maybe_sent=True, cause=cause))
    assert caught.value.__cause__ is cause


# -- tokens ------------------------------------------------------------------


def jwt(**claims) -> str:
    middle = base64.urlsafe_b64encode(json.dumps(claims).encode()).decode().rstrip("=")
    return f"e30.{middle}.sig"


def test_token_is_renewed_half_an_hour_before_its_end():
    token = BearerToken.parse(jwt(exp=NOW + 12 * 3600), NOW)
    assert token.is_fresh(NOW + 11.4 * 3600)
    assert not token.is_fresh(NOW + 11.6 * 3600)


def test_lifetime_of_a_token_does_not_depend_on_the_clock_of_the_service():
    token = BearerToken.parse(jwt(iat=NOW - 90_000, exp=NOW - 90_000 + 7200), NOW)
    assert token.is_fresh(NOW + 5000)
    assert not token.is_fresh(NOW + 5401)


def test_short_lived_token_is_used_for_half_of_its_lifetime():
    token = BearerToken.parse(jwt(iat=NOW, exp=NOW + 600), NOW)
    assert token.is_fresh(NOW + 299)
    assert not token.is_fresh(NOW + 301)


@pytest.mark.parametrize("text", ["opaque", "a.b.c", "a.!!!.c", jwt(exp="soon"), jwt(exp=NOW - 1), jwt(), "e30.W10.x"])
def test_token_without_a_lifetime_is_fresh_until_it_is_refused(text):
    assert BearerToken.parse(text, NOW).is_fresh(NOW + 1e9)


@pytest.mark.parametrize("text", ["", "a\nb", "ä"])
def test_token_that_no_header_can_carry_is_a_protocol_error(text):
    with pytest.raises(ProtocolError):
        BearerToken.parse(text, NOW)


def test_repr_of_a_step_hides_the_token():
    assert "aaa" not in repr(SendRequest(READ, A)) + repr(GetToken(A))
