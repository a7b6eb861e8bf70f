"""Masking of secrets in a stream of bytes."""

from __future__ import annotations

import base64
import json
import random
from itertools import pairwise

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from airflow_dlaas.service.learner.secret_forms import secret_forms
from airflow_dlaas.service.learner.secret_mask import MASK_TEXT, NO_SECRETS, MaskedStream, SecretMask

TOKEN = "hf_AbCdEfGhIjKlMnOpQrStUvWxYz"
PEM = "-----BEGIN KEY-----\nMIIEvQIBADANBgkq\nhkiG9w0BAQEFAASC\nab==\n-----END KEY-----\n"


def masked(text: str, *values: str) -> str:
    return SecretMask.of_values(values).text(text)


def masked_in_pieces(forms: tuple[bytes, ...], pieces: list[bytes]) -> bytes:
    stream = MaskedStream(forms)
    return b"".join([*map(stream.feed, pieces), stream.finish()])


def reference(forms: tuple[bytes, ...], text: bytes) -> bytes:
    """Mask *text* as a whole: each run of overlapping occurrences once."""
    places = sorted(
        (start, start + len(form)) for form in forms for start in range(len(text)) if text.startswith(form, start)
    )
    runs: list[tuple[int, int]] = []
    for start, stop in places:
        if runs and start < runs[-1][1]:
            runs[-1] = (runs[-1][0], max(stop, runs[-1][1]))
        else:
            runs.append((start, stop))
    edges = [0, *(edge for run in runs for edge in run), len(text)]
    plain = [text[start:stop] for start, stop in list(pairwise(edges))[::2]]
    return b"***".join(plain)


def cut(text: bytes, places: list[int]) -> list[bytes]:
    edges = [0, *sorted(place % (len(text) + 1) for place in places), len(text)]
    return [text[start:stop] for start, stop in pairwise(edges)]


BYTES = st.lists(st.sampled_from([b"a", b"b", b"\n", b"\r"]), max_size=40).map(b"".join)
FORMS = st.lists(BYTES.filter(bool).map(lambda one: one[:8]), min_size=1, max_size=4).map(tuple)


@given(forms=FORMS, text=BYTES, places=st.lists(st.integers(0, 40), max_size=6))
def test_every_split_of_a_text_gives_the_same_masked_text(
    forms: tuple[bytes, ...], text: bytes, places: list[int]
) -> None:
    assert masked_in_pieces(forms, cut(text, places)) == reference(forms, text)


@given(forms=FORMS, text=BYTES)
def test_masked_text_of_single_bytes_is_that_of_the_whole(forms: tuple[bytes, ...], text: bytes) -> None:
    assert masked_in_pieces(forms, [text[at : at + 1] for at in range(len(text))]) == reference(forms, text)


@settings(max_examples=50)
@given(
    value=st.text("ab'\"\\ \n\t%é\x85", min_size=6, max_size=20).filter(lambda one: len(one.strip()) >= 6),
    before=st.text("ab\n", max_size=5),
    places=st.lists(st.integers(0, 200), max_size=5),
)
def test_no_secret_passes_whatever_it_consists_of(value: str, before: str, places: list[int]) -> None:
    secret = value.strip().encode()
    text = before.encode() + secret + b"\n" + secret
    assert secret not in masked_in_pieces(secret_forms([value]), cut(text, places)).replace(b"***", b"\0")


def test_held_bytes_never_exceed_the_longest_form_and_are_released_by_the_byte_that_decides() -> None:
    stream = MaskedStream(secret_forms([TOKEN]))
    assert stream.feed(b"token=hf_Ab") == b"token="
    assert stream.feed(b"x\nnext") == b"hf_Abx\nnext"
    rng = random.Random(5)
    longest = max(map(len, stream.forms))
    given_bytes = written_bytes = 0
    for _ in range(2000):
        piece = bytes(rng.choices(TOKEN.encode(), k=rng.randint(1, 5)))
        given_bytes += len(piece)
        written_bytes += len(stream.feed(piece))
        assert given_bytes - written_bytes < longest


def test_end_of_the_stream_releases_a_beginning_that_did_not_go_on() -> None:
    assert masked_in_pieces((b"secret",), [b"a sec"]) == b"a sec"


def test_secret_within_a_longer_one_and_overlapping_secrets_leave_no_part() -> None:
    assert masked("abcdefghij", "abcdef", "abcdefghi") == "***j"
    assert masked("xabcdefghiy", "abcdef", "defghi") == "x***y"


@pytest.mark.parametrize(
    "shown",
    [
        repr({"HF": "quoted \"and' \\ more"}),
        json.dumps({"HF": "quoted \"and' \\ more"}),
        """declare -x HF="quoted \\"and' \\\\ more\"""",
        """+ curl 'quoted "and'\\'' \\ more'""",
        "https://h/?t=quoted%20%22and%27%20%5C%20more&x=1",
        "t=quoted+%22and%27+%5C+more",
    ],
)
def test_quoted_forms_of_a_secret_are_masked(shown: str) -> None:
    left = masked(shown, "quoted \"and' \\ more")
    assert MASK_TEXT in left
    assert "quoted" not in left


@pytest.mark.parametrize("before", ["", "u", "us", "user:", "aaaaaaa"])
@pytest.mark.parametrize("after", ["", "\n", "ab", "abc"])
@pytest.mark.parametrize("encode", [base64.b64encode, base64.urlsafe_b64encode])
def test_base64_of_a_text_with_a_secret_is_masked(before: str, after: str, encode: object) -> None:
    text = encode(f"{before}{TOKEN}{after}".encode()).decode()  # type: ignore[operator]
    left = masked(text, TOKEN)
    assert MASK_TEXT in left
    # Two bytes at each end share a character with what is beside them.
    assert len(text) - len(left) + len(MASK_TEXT) >= (len(TOKEN) - 4) * 4 // 3


def test_base64_in_lines_is_masked() -> None:
    secret = "s3cr3t-" * 30
    lines = base64.encodebytes(secret.encode()).decode()
    assert masked(lines, secret).replace("*", "").strip() == ""


def test_secret_of_several_lines_is_masked_whole_and_by_lines_of_six_characters() -> None:
    assert masked(f"key:\n{PEM}end", PEM) == "key:\n***\nend"
    assert masked(f"key:\n{PEM}end".replace("\n", "\r\n"), PEM) == "key:\r\n***\r\nend"
    assert masked("found MIIEvQIBADANBgkq and ab==", PEM) == "found *** and ab=="
    assert masked(repr(PEM), PEM) == "'***\\n'"


def test_space_around_a_secret_does_not_count() -> None:
    assert masked("<abcdef>", "abcdef\n") == "<***>"


def test_forms_shorter_than_a_secret_may_be_are_left_out() -> None:
    assert min(map(len, secret_forms(["abcdef", PEM]))) >= 6


def test_text_may_have_any_character() -> None:
    odd = "a\udce9\ud800é"
    assert masked(odd + TOKEN, TOKEN) == odd + "***"
    assert NO_SECRETS.text(TOKEN) == TOKEN


def test_no_repr_has_a_secret() -> None:
    mask = SecretMask.of_values([TOKEN])
    stream = MaskedStream(mask.forms)
    stream.feed(TOKEN[:-1].encode())
    assert "hf_Ab" not in repr(mask) + repr(stream)
