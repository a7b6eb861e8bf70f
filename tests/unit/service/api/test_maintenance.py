"""Drain and cordon through the API."""

from __future__ import annotations

import pytest

pytestmark = pytest.mark.parametrize("service", [{"admin": "dlaas"}], indirect=True)

DRAIN, CORDONS = "/v3/maintenance/drain", "/v3/maintenance/cordons"


def state(service) -> dict[str, object]:
    reply = service.client.get("/v3/maintenance")
    assert reply.status_code == 200, reply.text
    found: dict[str, object] = reply.json()
    return found


def test_maintenance_of_a_new_service_has_no_restriction(service) -> None:
    gpus = [{"name": name, "in_use": False, "present": True} for name in ("virtual:0", "virtual:1")]
    assert state(service) == {"gpus": gpus, "running": 0, "queued": 0}


def test_drain_has_time_and_reason_and_ends(service) -> None:
    assert service.client.put(DRAIN, json={"reason": "new driver"}).status_code == 204
    assert state(service)["drain"] == {"since": "2026-03-01T12:00:00.000Z", "reason": "new driver"}
    service.clock.advance(hours=1)
    assert service.client.put(DRAIN).status_code == 204
    assert state(service)["drain"] == {"since": "2026-03-01T12:00:00.000Z", "reason": ""}
    before = list(service.woken)
    assert service.client.delete(DRAIN).status_code == 204
    assert service.client.delete(DRAIN).status_code == 204
    assert "drain" not in state(service)
    assert len(service.woken) == len(before) + 2  # so that waiting trainings start at once


def test_submission_is_accepted_and_queued_while_the_service_is_drained(service) -> None:
    service.client.put(DRAIN)
    run = service.submit()
    assert service.client.get(f"/v3/models/{run}").json()["entity"]["status"]["queue_position"] == 0
    assert (state(service)["running"], state(service)["queued"]) == (0, 1)
    assert not service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    service.client.delete(DRAIN)
    assert service.store.reserve_gpus(run, ["virtual:0"], service.clock())
    assert (state(service)["running"], state(service)["queued"]) == (1, 0)


def test_cordon_is_listed_with_the_use_of_the_gpu(service) -> None:
    run = service.submit()
    assert service.store.reserve_gpus(run, ["virtual:1"], service.clock())
    assert service.client.put(f"{CORDONS}/virtual:1", json={"reason": "ECC errors"}).status_code == 204
    cordon = {"since": "2026-03-01T12:00:00.000Z", "reason": "ECC errors"}
    assert state(service)["gpus"] == [
        {"name": "virtual:0", "in_use": False, "present": True},
        {"name": "virtual:1", "in_use": True, "present": True, "cordon": cordon},
    ]
    assert service.client.delete(f"{CORDONS}/virtual:1").status_code == 204
    assert all("cordon" not in gpu for gpu in state(service)["gpus"])


def test_cordon_of_a_gpu_that_is_gone_is_listed_and_can_be_ended(service) -> None:
    service.store.maintenance.cordon("MIG-GPU-1/7/0", "", service.clock())
    assert [(gpu["name"], gpu["present"]) for gpu in state(service)["gpus"]][-1] == ("MIG-GPU-1/7/0", False)
    assert service.client.delete(f"{CORDONS}/MIG-GPU-1%2F7%2F0").status_code == 204
    assert len(state(service)["gpus"]) == 2


@pytest.mark.parametrize("method", ["PUT", "DELETE"])
@pytest.mark.parametrize("name", ["virtual:2", "a b", "%00", "x" * 200])
def test_unknown_gpu_is_not_found(service, method: str, name: str) -> None:
    assert service.client.request(method, f"{CORDONS}/{name}").status_code == 404


@pytest.mark.parametrize("body", [{"reason": "x" * 501}, {"reason": "a\nb"}, {"reason": 1}, {"why": "x"}, [], "x"])
@pytest.mark.parametrize("path", [DRAIN, f"{CORDONS}/virtual:0"])
def test_invalid_reason_is_refused_and_changes_nothing(service, path: str, body: object) -> None:
    before = state(service)
    assert service.client.put(path, json=body).status_code == 400
    assert state(service) == before


@pytest.mark.parametrize(
    ("method", "path"),
    [("GET", "/v3/maintenance"), *((m, p) for m in ("PUT", "DELETE") for p in (DRAIN, f"{CORDONS}/virtual:0"))],
)
def test_maintenance_is_for_the_own_user_of_the_service(service, method: str, path: str) -> None:
    other = {"Authorization": f"Bearer {service.log_in('other')}"}
    reply = service.client.request(method, path, headers=other)
    assert reply.status_code == 404
    assert "the service's own user" in reply.json()["errors"][0]["message"]
    assert service.store.maintenance.get().drain is None
    del service.client.headers["Authorization"]
    assert service.client.request(method, path).status_code == 401
