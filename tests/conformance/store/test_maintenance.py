"""Drain and cordons, in every database."""

from __future__ import annotations

from airflow_dlaas.service.store.maintenance import MaintenanceRecord, MaintenanceState
from airflow_dlaas.service.store.sql import SqlStore
from tests.conformance.store.conftest import NOW, add, later


def test_drain_and_cordons_outlive_the_store(url: str) -> None:
    first = SqlStore(url)
    assert first.maintenance.get() == MaintenanceState()
    first.maintenance.drain("new driver", NOW)
    first.maintenance.drain("newer driver", later(5))
    first.maintenance.cordon("GPU-1", "", NOW)
    first.close()
    second = SqlStore(url)
    assert second.maintenance.get() == MaintenanceState(
        MaintenanceRecord(NOW, "newer driver"), {"GPU-1": MaintenanceRecord(NOW, "")}
    )
    second.maintenance.end_drain()
    assert second.maintenance.uncordon("GPU-1")
    assert not second.maintenance.uncordon("GPU-1")
    assert second.maintenance.get() == MaintenanceState()
    second.close()


def test_reservation_fails_while_the_service_is_drained_or_the_gpu_is_cordoned(store: SqlStore) -> None:
    add(store, "a")
    store.maintenance.drain("", NOW)
    assert not store.reserve_gpus("a", ["GPU-0"], NOW)
    store.maintenance.end_drain()
    store.maintenance.cordon("GPU-1", "", NOW)
    assert not store.reserve_gpus("a", ["GPU-0", "GPU-1"], NOW)
    assert store.get_training("me", "a").started_at is None
    assert store.reserve_gpus("a", ["GPU-0"], NOW)
    assert store.maintenance.list_held_gpus() == {"GPU-0"}


def test_maintenance_is_no_change_of_a_training(store: SqlStore) -> None:
    before = store.current_revision()
    store.maintenance.drain("", NOW)
    store.maintenance.cordon("GPU-1", "", NOW)
    assert store.current_revision() == before
