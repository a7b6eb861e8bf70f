"""Run key tags in descriptions with any content."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.task_runs.run_key import RunKey, with_run_key
from tests.fuzz.effort import effort
from tests.unit.service.api.conftest import DEFINITION

HEX = "0123456789abcdef"
COUNTS = st.integers(0, 999_999)
NAMES = (st.text(HEX, min_size=32, max_size=32), st.text(HEX, min_size=12, max_size=12), COUNTS)
TAGS = st.one_of(
    st.builds(RunKey, *NAMES, version=st.just(1)),
    st.builds(
        RunKey,
        *NAMES,
        airflow_digest=st.none() | st.text(HEX, min_size=16, max_size=16),
        clear_number=COUNTS,
        first_try=COUNTS,
        acknowledges=st.booleans(),
    ),
)
PIECES = st.one_of(
    TAGS.map(str),
    st.builds(
        lambda outer, inner: f"[airflow-{inner}dlaas {outer.idempotency_key}]", TAGS, TAGS
    ),  # a tag that appears when another one is removed
    st.builds(lambda tag, cut: str(tag)[:cut], TAGS, st.integers(0, 60)),
    st.builds(lambda tag, cut: str(tag)[cut:], TAGS, st.integers(0, 60)),
    st.sampled_from(["[airflow-dlaas ", "]", ".", "[", " ", "\n", "٣"]),
    st.text(max_size=10),
)
DESCRIPTIONS = st.lists(PIECES, max_size=6).map("".join)


@effort(1000)
@given(DESCRIPTIONS | st.text())
def test_any_description_has_a_tag_or_none(description: str) -> None:
    found = RunKey.from_description(description)
    assert found is None or str(found) in description or found.training_number == int(f"0{found.training_number}")


@effort(1000)
@given(DESCRIPTIONS, TAGS, TAGS)
def test_tag_is_read_from_behind_any_text_of_the_author(description: str, tag: RunKey, other: RunKey) -> None:
    document = {
        **DEFINITION,
        "model_definition": {**DEFINITION["model_definition"], "definition_location": "x", "description": description},
    }
    definition = TrainingDefinition.parse(document)
    once = with_run_key(definition, tag)
    assert RunKey.from_description(once.model_definition.description) == tag
    assert RunKey.from_description(with_run_key(once, other).model_definition.description) == other
    assert RunKey.parse(tag.idempotency_key) == tag
    assert once.model_copy(update={"model_definition": definition.model_definition}) == definition


@effort(200)
@given(st.text(st.characters(exclude_characters="[", codec="utf-8")), TAGS)
def test_text_of_the_author_stays(description: str, tag: RunKey) -> None:
    document = {
        **DEFINITION,
        "model_definition": {**DEFINITION["model_definition"], "definition_location": "x", "description": description},
    }
    description_with_tag = with_run_key(TrainingDefinition.parse(document), tag).model_definition.description
    assert description_with_tag.removesuffix(str(tag)).strip() == description.strip()
