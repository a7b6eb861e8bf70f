"""The GPU slots of a machine."""

from __future__ import annotations

import pytest

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.dispatcher.gpu_inventory import parse_nvidia_smi, parse_slots


@pytest.mark.parametrize(
    ("setting", "slots"),
    [
        ("virtual:2", ("virtual:0", "virtual:1")),
        ("0", ("0",)),
        (" 0, 2 ,3", ("0", "2", "3")),
        ("GPU-6a0e-11,MIG-77", ("GPU-6a0e-11", "MIG-77")),
    ],
)
def test_slots_are_parsed(setting, slots):
    assert parse_slots(setting) == slots


@pytest.mark.parametrize(
    "setting", ["virtual", "virtual:0", "virtual:-1", "virtual:x", "virtual:9999", "a,b", "0,", "0;1"]
)
def test_invalid_slots_are_refused(setting):
    with pytest.raises(NotConfigured, match="no inventory of GPUs"):
        parse_slots(setting)


def test_gpu_named_twice_is_refused():
    with pytest.raises(NotConfigured, match="twice"):
        parse_slots("0,1,0")


def test_nvidia_smi_output_gives_uuids():
    answer = "0, GPU-11111111-2222-3333-4444-555555555555\n1, GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee\n"
    assert parse_nvidia_smi(answer) == (
        "GPU-11111111-2222-3333-4444-555555555555",
        "GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    )


def test_invalid_nvidia_smi_output_is_an_error():
    with pytest.raises(HostError, match="DLAAS_GPUS"):
        parse_nvidia_smi("No devices were found\n")
