"""The service as a real process: trainings from submit to results."""

from __future__ import annotations

import fcntl
import http.client
import json
import signal
import socket
import subprocess
import sys
import time
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import psutil

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.state import Phase, TrainingState
from airflow_dlaas.exceptions import DlaasError
from airflow_dlaas.service.job_files import JobDirectory, read_job_file
from airflow_dlaas.service.job_reports import PhaseFile
from tests.integration.service.conftest import GATE, TIMEOUT
from tests.waiting import until


def test_training_completes_and_stores_its_results(customer):
    code = """
import os, pathlib
numbers = pathlib.Path(os.environ["DATA_DIR"], "numbers.txt").read_text().split()
model = pathlib.Path(os.environ["RESULT_DIR"], "model")
model.mkdir()
(model / "sum.txt").write_text(str(sum(map(int, numbers))))
print("the sum is there")
"""
    training = customer.end(customer.submit("python3 main.py", main=code))
    assert training.state is TrainingState.COMPLETED, training.status
    assert customer.result(training.id, "model/sum.txt") == b"6"
    assert customer.command_output(training.id) == "the sum is there\n"
    assert training.status.gpus is not None
    assert len(training.status.gpus) == 1
    assert training.status.message == f"{training.id}: "
    results = training.entity.training_results
    assert results is not None
    assert results.location is not None
    assert (results.location.container, results.location.model_location) == (customer.results, training.id)


def test_results_container_of_the_older_key_is_created(customer):
    """Clients of 2017 send `training_results.source`. The container does not exist before the submit."""
    definition = customer.definition("mkdir $RESULT_DIR/model; echo 1 > $RESULT_DIR/model/m")
    customer.results = f"new-{customer.results}"
    place = {"container": customer.results, "type": "softlayer_objectstore"}
    definition["training_results"] = {"connection": customer.store, "source": place}
    made = customer.client.send(calls.create_training(TrainingDefinition.parse(definition)))
    assert customer.stored(made.id) == set()
    ended = customer.end(made.id)
    assert ended.state is TrainingState.COMPLETED
    assert customer.result(made.id, "model/m") == b"1\n"
    assert ended.entity.training_results.location.container == customer.results


def test_failed_command_ends_with_its_exit_code_and_its_log(customer):
    training = customer.end(customer.submit("echo before it fails; exit 3"))
    assert training.state is TrainingState.ERROR
    assert training.status.message == f"{training.id}: 3"
    assert training.status.error is not None
    assert training.status.error.errors[0].code == "C201"
    assert customer.command_output(training.id) == "before it fails\n"


def test_cancel_ends_the_command_and_stores_its_results(customer):
    command = "mkdir -p $RESULT_DIR/model; echo half > $RESULT_DIR/model/half.txt; sleep 600"
    training = customer.running(customer.submit(command))
    done = customer.service.console("cancel", training.id)
    assert done.returncode == 0, done.stderr
    ended = customer.end(training.id)
    assert ended.state is TrainingState.CANCELED
    assert customer.result(training.id, "model/half.txt") == b"half\n"
    assert not [one for one in customer.service.processes() if "sleep 600" in " ".join(one.cmdline())]


def test_gpu_slots_are_assigned_in_the_order_of_submission(own_customer):
    first = own_customer.submit(GATE, "large")
    second = own_customer.submit("true", "medium")
    third = own_customer.submit("true", "small")
    holder = own_customer.running(first)
    waiting = own_customer.training(second).status
    assert (waiting.state, waiting.phase, waiting.queue_position) == (TrainingState.PENDING, "queued", 0)
    overtaking = own_customer.training(third).status
    assert (overtaking.state, overtaking.queue_position) == (TrainingState.PENDING, 1)
    own_customer.open_gate(holder)
    ended = [own_customer.end(one) for one in (first, second, third)]
    assert [len(one.status.gpus or ()) for one in ended] == [3, 2, 1]
    # Slots are free after the command has ended, while its results are being stored.
    [freed_at] = [one.since for one in ended[0].status.phases or () if one.phase == Phase.STORING]
    assert ended[1].status.running_at is not None
    assert ended[1].status.running_at >= freed_at


def test_end_of_a_training_is_recorded_after_the_service_was_killed(own_customer):
    service = own_customer.service
    training = own_customer.running(own_customer.submit(f"{GATE}; echo through; exit 7"))
    address = service.connections()
    service.kill()
    own_customer.open_gate(training)
    # The command ends while no service runs; its learner then waits for the object store.
    folder = JobDirectory(service.home / "jobs" / training.id)
    until(
        lambda: phase_of(folder) is Phase.STORING, details=lambda: f"its phase is {phase_of(folder)}", seconds=TIMEOUT
    )
    service.start()
    assert service.connections() == address
    ended = own_customer.end(training.id)
    assert ended.state is TrainingState.ERROR
    assert ended.status.message == f"{training.id}: 7"
    assert own_customer.command_output(training.id) == "through\n"


def test_training_continues_after_the_service_stops_and_completes_under_the_next(own_customer):
    service = own_customer.service
    training = own_customer.running(own_customer.submit(GATE))
    assert service.stop() == 0
    left = service.processes()
    assert left, "the learner was to live on"
    assert not [one for one in left if "objectstore" in " ".join(one.cmdline())]
    service.start()
    own_customer.open_gate(training)
    assert own_customer.end(training.id).state is TrainingState.COMPLETED


def test_stopped_service_leaves_no_process(own_service):
    own_service.start()
    below = psutil.Process(own_service.pid).children(recursive=True)
    assert below
    assert own_service.stop() == 0
    _, left = psutil.wait_procs(below, timeout=TIMEOUT)
    assert not left
    assert not own_service.processes()


def test_killed_learner_is_reported_as_lost(own_customer):
    training = own_customer.running(own_customer.submit("sleep 6001"))
    mark = json.loads((own_customer.service.home / "jobs" / training.id / "run.json").read_text())
    learner = psutil.Process(mark["pid"])
    command = learner.children(recursive=True)
    learner.kill()
    ended = own_customer.end(training.id)
    assert ended.state is TrainingState.ERROR
    assert ended.status.error is not None
    assert ended.status.error.errors[0].code == "S100"
    _, left = psutil.wait_procs(command, timeout=TIMEOUT)
    assert not left, "its command would go on using the GPU"


def test_embedded_store_is_restarted_after_it_died(own_customer):
    service = own_customer.service
    [store] = [one for one in psutil.Process(service.pid).children() if "objectstore" in " ".join(one.cmdline())]
    store.kill()
    until(lambda: "restarting it" in service.log.read_text(), details=service.log.read_text, seconds=TIMEOUT)

    def answers() -> bool:
        try:
            with own_customer.swift() as swift:
                return bool(list(swift.list_objects(own_customer.data)))
        except DlaasError:
            return False

    until(answers, details=service.log.read_text, seconds=TIMEOUT)
    assert own_customer.end(own_customer.submit("true")).state is TrainingState.COMPLETED


def test_serve_refuses_a_data_directory_in_use(service):
    done = service.console("serve")
    assert done.returncode == 1
    assert f"pid {service.pid}" in done.stderr
    assert "Traceback" not in done.stderr


def test_serve_refuses_a_port_in_use_before_it_starts_anything(service, tmp_path):
    port = service.connections()["dlaas_default"]["host"].rpartition(":")[2]
    done = service.console("serve", "--home", str(tmp_path / "other"), "--port", port)
    assert done.returncode == 1
    assert f"Port {port} of 127.0.0.1 is already in use; set DLAAS_PORT" in done.stderr
    assert not (tmp_path / "other" / "swift").exists()


def test_serve_refuses_a_store_port_in_use_and_leaves_no_process(service, own_service):
    port = service.connections()["swift_default"]["host"].split(":")[2].split("/")[0]
    done = own_service.console("serve", "--objectstore-port", port)
    assert done.returncode == 1
    assert "DLAAS_OBJECTSTORE_PORT" in done.stderr
    assert "Traceback" not in done.stderr
    assert not (own_service.home / "connections.json").exists()
    assert not own_service.processes()


def test_ready_message_has_addresses_and_no_secrets(service):
    connections = service.connections()
    for name in ("dlaas_default", "swift_default"):
        assert connections[name]["host"] in service.greeting
    assert json.loads(connections["dlaas_s3"]["extra"])["endpoint_url"] in service.greeting
    for connection in connections.values():
        assert connection["password"] not in service.greeting
        assert connection["password"] not in service.log.read_text()
    for word in (f"pid {service.pid}", "4 virtual slots", "airflow connections import"):
        assert word in service.greeting


def test_submitted_command_starts_soon_and_metrics_are_reported(customer, own_service):
    begun = time.monotonic()
    training = customer.end(customer.submit("true"))
    took = time.monotonic() - begun
    mark = customer.service.home / "jobs" / training.id
    assert mark.exists()
    own_service.start()
    everything = [psutil.Process(own_service.pid), *psutil.Process(own_service.pid).children(recursive=True)]
    memory = sum(one.memory_full_info().pss for one in everything) / 1024**2
    status = training.status
    assert status.running_at is not None
    pending = (status.running_at - status.submitted_at).total_seconds()
    print(  # noqa: T201 - figures to read
        f"\nready after {own_service.ready_after:.2f} s; {memory:.0f} MiB in {len(everything)} processes; "
        f"submit to running {pending * 1000:.0f} ms, to the end of `true` {took:.2f} s"
    )


def test_command_line_lists_trainings(customer):
    training = customer.end(customer.submit("echo one; echo two"))
    listed = customer.service.console("runs")
    assert training.id in listed.stdout
    assert "completed" in listed.stdout
    shown = customer.service.console("show", training.id)
    assert customer.results in shown.stdout
    result = customer.service.console("logs", training.id)
    assert result.stdout.endswith("\none\ntwo\n")
    runtimes = customer.service.console("runtimes")
    assert "the interpreter that runs the tests" in runtimes.stdout
    assert "4 GPU slots" in runtimes.stdout


def test_command_line_follows_a_log_to_its_end(customer):
    training_id = customer.submit("for i in 1 2 3; do echo $i; sleep 0.3; done")
    result = customer.service.console("logs", "--follow", training_id)
    assert result.stdout.endswith("\n1\n2\n3\n")


def test_command_line_submits_a_definition_with_connection_names(customer, tmp_path):
    definition = customer.definition("true")
    for entry in (definition["training_data"][0], definition["training_results"]):
        entry["connection"] = "swift_default"
    file = tmp_path / "definition.json"
    file.write_text(json.dumps(definition))
    done = customer.service.console("submit", str(file))
    assert done.returncode == 0, done.stderr
    assert customer.end(done.stdout.strip()).state is TrainingState.COMPLETED


def test_command_line_reports_a_refusal_in_one_sentence(customer):
    done = customer.service.console("show", "training-nowhere12")
    assert done.returncode == 1
    assert done.stderr.startswith("airflow-dlaas: ")
    assert done.stderr.count("\n") == 1


def test_killed_service_leaves_no_store_process(own_service):
    own_service.start()
    below = psutil.Process(own_service.pid).children(recursive=True)
    own_service.kill()
    _, left = psutil.wait_procs(below, timeout=TIMEOUT)
    assert not left


def test_service_stopped_during_its_start_leaves_no_process(own_service):
    own_service.home.mkdir()
    with (own_service.home / "database.sqlite.lock").open("w") as lock:
        fcntl.flock(lock, fcntl.LOCK_EX)  # the service waits for its database as long as the test needs
        process = subprocess.Popen(
            [sys.executable, "-m", "airflow_dlaas.cli", "serve"],
            env=own_service.environment,
            stdin=subprocess.DEVNULL,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
        )
        try:
            # The start of the store has begun.
            until(
                (own_service.home / "swift").exists, details=lambda: f"it has ended: {process.poll()}", seconds=TIMEOUT
            )
            process.send_signal(signal.SIGTERM)
            out, err = process.communicate(timeout=TIMEOUT)
        finally:
            process.kill()
    assert process.returncode == 0
    assert not own_service.processes()
    assert b"Traceback" not in err
    assert b"ready" not in out


def test_long_poll_does_not_delay_the_stop(own_customer):
    client = own_customer.client
    cursor, where = client.send(calls.list_changes("now", 0)).cursor, urlsplit(client.url)
    with closing(http.client.HTTPConnection(where.hostname, where.port, timeout=TIMEOUT)) as polling:
        # The service answers it after 30 s, or when it stops.
        headers = {"Authorization": f"Bearer {client.token()}"}
        polling.request("GET", f"/v3/models?after={cursor}&wait=30", headers=headers)
        until(
            lambda: was_read(polling.sock),
            details=lambda: "the request is still in the service's socket",
            seconds=TIMEOUT,
        )
        assert own_customer.service.stop() == 0  # fails after 30 s
        answer = polling.getresponse()
        assert (answer.status, json.loads(answer.read())["resources"]) == (200, [])
    assert "Traceback" not in own_customer.service.log.read_text()


def phase_of(folder: JobDirectory) -> Phase | None:
    """Return the phase in the learner's phase file."""
    mark = read_job_file(folder.phase, PhaseFile)
    return None if mark is None else mark.phase


def was_read(sent: socket.socket) -> bool:
    """Whether the peer of *sent*, a loopback connection, has read all bytes."""
    ours, theirs = (f"0100007F:{one[1]:04X}" for one in (sent.getsockname(), sent.getpeername()))
    lines = [line.split() for line in Path("/proc/net/tcp").read_text().splitlines()[1:]]
    [queues] = [line[4] for line in lines if (line[1], line[2]) == (theirs, ours)]
    return int(queues.partition(":")[2], 16) == 0
