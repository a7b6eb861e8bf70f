"""The options of `train` for further attempts, and for the checkpoint of an earlier training."""

from __future__ import annotations

import pytest

from airflow_dlaas.cli.train.recovery import RecoveryOptions, require_grace
from airflow_dlaas.contract.execution import MAX_GRACE
from airflow_dlaas.contract.recovery import Recovery
from airflow_dlaas.exceptions import InvalidArgument


def test_each_option_is_a_key_of_the_definition() -> None:
    assert RecoveryOptions().document() == {}
    assert RecoveryOptions(attempts=3).document() == {"recovery": {"attempts": 3}}
    found = RecoveryOptions(3, (75, 137), "training-AbC_12-xY").document()
    assert found == {"recovery": {"attempts": 3, "exit_codes": [75, 137]}, "resume_from": "training-AbC_12-xY"}
    assert Recovery.model_validate(found["recovery"]) == Recovery(attempts=3, exit_codes=(75, 137))


def test_given_options_are_named() -> None:
    assert RecoveryOptions().given == []
    assert RecoveryOptions(1, (75,), "a").given == ["--attempts", "--recover-exit-code", "--resume-from"]


@pytest.mark.parametrize(
    ("options", "message"),
    [
        (RecoveryOptions(exit_codes=(75,)), "--recover-exit-code: it needs --attempts"),
        (RecoveryOptions(3, (75, 1, 75)), "--recover-exit-code: 75 is given twice"),
        (RecoveryOptions(resume_from=""), "--resume-from: '' is not the id of a training"),
        (RecoveryOptions(resume_from="a/b"), "--resume-from: 'a/b' is not the id of a training"),
        (RecoveryOptions(resume_from="a" * 65), "--resume-from: '.*' is not the id of a training"),
    ],
)
def test_wrong_value_is_refused_by_its_option(options: RecoveryOptions, message: str) -> None:
    with pytest.raises(InvalidArgument, match=message):
        options.document()


def test_grace_has_a_limit() -> None:
    assert require_grace(None) is None
    assert require_grace(MAX_GRACE) == MAX_GRACE
    with pytest.raises(InvalidArgument, match="--grace: 86401 seconds are too many: 86400 at most"):
        require_grace(MAX_GRACE + 1)
