"""The status of a real training while it runs and after its end."""

from __future__ import annotations

import itertools
from urllib.request import urlopen

from prometheus_client.parser import text_string_to_metric_families

from airflow_dlaas.client import calls
from airflow_dlaas.contract.state import TrainingState

HELD = 80 << 20

BUSY = f"""
import os, pathlib
held = bytearray({HELD})
gate = pathlib.Path(os.environ["DATA_DIR"], "gate")
while not gate.exists():
    sum(range(100_000))
"""


def figures(customer) -> dict[str, float]:
    """Return the Prometheus metrics, without a token."""
    with urlopen(f"{customer.service.connections()['dlaas_default']['host']}/metrics") as reply:  # noqa: S310
        families = text_string_to_metric_families(reply.read().decode())
    return {".".join([one.name, *one.labels.values()]): one.value for family in families for one in family.samples}


def test_training_reports_phases_and_usage_and_keeps_the_phases(own_customer):
    training = own_customer.running(own_customer.submit("python3 main.py", main=BUSY))
    folder = own_customer.service.home / "jobs" / training.id
    # CPU usage needs two measurements, and a slow interpreter allocates its memory later.
    usage = own_customer.wait(
        training.id,
        lambda one: (used := one.status.usage) is not None and bool(used.cpu_percent) and used.memory_bytes > HELD,
    ).status.usage
    assert usage is not None
    assert usage.gpus == ()  # the GPU slots of this service are virtual
    during = figures(own_customer)
    assert (during["dlaas_trainings.running"], during["dlaas_gpu_slots_in_use"]) == (1.0, 1.0)
    assert during["dlaas_role_filled.dispatcher"] == 1.0
    assert during["dlaas_http_requests_total.GET./v3/models/{training_id}.200"] >= 1.0

    (folder / "data" / "gate").touch()
    ended = own_customer.end(training.id)
    assert ended.state is TrainingState.COMPLETED, ended.status
    phases = ended.status.phases or ()
    assert [one.phase for one in phases] == ["queued", "loading", "processing", "storing"]
    assert phases[0].since == ended.status.submitted_at
    assert all(one.since <= other.since for one, other in itertools.pairwise(phases))
    assert ended.status.usage is None
    assert not (folder / "usage.json").exists()
    history = own_customer.client.send(calls.get_usage_history(training.id))
    assert history.complete
    highest = {one.resource: max(value for _, value in one.points) for one in history.series}
    assert highest["memory"] > HELD
    assert highest["cpu"] > 0
    after = figures(own_customer)
    assert (after["dlaas_trainings.completed"], after["dlaas_gpu_slots_in_use"]) == (1.0, 0.0)
