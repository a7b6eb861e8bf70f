"""The GPU slots of a machine."""

from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.exceptions import HostError, NotConfigured
from airflow_dlaas.service.dispatcher.gpu_inventory import parse_nvidia_smi, parse_slots

CASES = Path(__file__).parents[3] / "cases" / "nvidia_smi"


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
    assert parse_nvidia_smi((CASES / "two_gpus.txt").read_text()) == (
        "GPU-11111111-2222-3333-4444-555555555555",
        "GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
    )


def test_invalid_nvidia_smi_output_is_an_error():
    with pytest.raises(HostError, match="DLAAS_GPUS"):
        parse_nvidia_smi("GPU 0: of an unknown form\n")


def test_gpu_with_slices_is_replaced_by_them():
    assert parse_nvidia_smi((CASES / "mig.txt").read_text()) == (
        "MIG-c6d4f1ef-42e4-5de3-91c7-45d71c87eb3f",
        "MIG-cba663e8-9bed-5b25-b243-5985ef7c9beb",
        "GPU-aaaaaaaa-bbbb-cccc-dddd-eeeeeeeeeeee",
        "MIG-GPU-99999999-8888-7777-6666-555555555555/9/0",
    )


def test_machine_without_gpus_has_none():
    assert parse_nvidia_smi("No devices found.\n") == ()
