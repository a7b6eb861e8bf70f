from __future__ import annotations

import json
from pathlib import Path

import pytest

from airflow_dlaas.client import calls
from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.exceptions import InvalidDefinition, ProtocolError
from tests.builders import a_reply

DOCUMENT = {
    "model_definition": {
        "name": "my-mnist-model",
        "definition_location": "http://service/v3/ml_assets/experiments/e/versions/v",
        "framework": {"name": "tensorflow", "version": "1.2-py3"},
        "execution": {"command": "python3 net.py", "resourceType": "small"},
    },
    "training_data": [
        {
            "connection": {"auth_url": "http://store/auth/v1.0", "userId": "a:u", "password": "s3cret-key"},
            "source": {"container": "digits", "type": "softlayer_objectstore"},
        }
    ],
}


def example_definition() -> TrainingDefinition:
    return TrainingDefinition.parse(DOCUMENT)


def test_payload_of_a_definition_has_the_secrets_and_the_keys_of_the_page():
    sent = json.loads(calls.create_training(example_definition()).payload())
    assert sent["training_data"] == DOCUMENT["training_data"]
    assert sent["model_definition"]["execution"] == {"command": "python3 net.py", "resourceType": "small"}
    assert "training_results" not in sent


def test_repr_of_a_call_hides_body_and_headers():
    call = calls.create_training(example_definition(), idempotency_key="dag/run")
    assert "s3cret-key" not in repr(call)
    assert "digits" not in repr(call)


def test_create_training_is_idempotent_only_with_a_key():
    assert not calls.create_training(example_definition()).is_idempotent
    assert not calls.create_training(example_definition(), idempotency_key="").is_idempotent
    assert calls.create_training(example_definition(), idempotency_key="k").is_idempotent


def test_acknowledge_training_is_an_idempotent_put_without_a_body():
    call = calls.acknowledge_training("training-aB3_-xyz1")
    assert (call.method, call.path) == ("PUT", "/v3/models/training-aB3_-xyz1/acknowledgement")
    assert call.is_idempotent
    assert call.payload() is None


@pytest.mark.parametrize("key", ["tägliches training", "a\r\nX-Evil: 1", "50%"])
def test_idempotency_key_is_encoded_as_a_header_and_stays_unique(key):
    value = calls.create_training(example_definition(), idempotency_key=key).headers["Idempotency-Key"]
    assert value.isascii()
    assert value.isprintable()
    assert value != calls.create_training(example_definition(), idempotency_key=value).headers["Idempotency-Key"]


@pytest.mark.parametrize(
    ("id", "path"),
    [
        ("training-aB3_-xyz1", "/v3/models/training-aB3_-xyz1"),
        ("../wml_instances/x?y#z", "/v3/models/..%2Fwml_instances%2Fx%3Fy%23z"),
        ("..", "/v3/models/%2E%2E"),
        ("ä b", "/v3/models/%C3%A4%20b"),
    ],
)
def test_id_is_one_path_segment(id, path):
    assert calls.get_training(id).path == path


def test_cancel_training_is_a_patch_of_the_state():
    call = calls.cancel_training("t")
    assert (call.method, call.path) == ("PATCH", "/v3/models/t")
    assert json.loads(call.payload()) == [{"op": "replace", "path": "/status/state", "value": "canceled"}]


def test_content_is_uploaded_unchanged_and_downloaded_to_a_file(tmp_path: Path):
    path = calls.content_path("e", "v")
    assert path == "/v3/ml_assets/experiments/e/versions/v/content"
    assert calls.content_path("e") == "/v3/ml_assets/experiments/e/content"
    assert calls.put_content(path, b"PK").payload() == b"PK"
    assert calls.put_content(path, tmp_path).payload() is tmp_path
    assert calls.get_content(path, tmp_path).parse(b"") is tmp_path


def test_query_parameters_are_encoded():
    assert calls.list_changes("a&b=c", 20).path == "/v3/models?after=a%26b%3Dc&wait=20"
    assert calls.list_trainings(5).path == "/v3/models?limit=5"
    assert calls.list_trainings().path == "/v3/models"
    assert calls.log_stream_path("t", offset=7) == "/v3/models/t/monitor?offset=7"


def test_response_may_have_unknown_keys_but_must_be_of_the_protocol():
    read = calls.list_trainings().parse
    assert read(b'{"resources": [], "surprise": 1}').resources == ()
    with pytest.raises(ProtocolError):
        read(b"<html>maintenance</html>")


def test_repr_of_a_token_response_hides_the_token():
    assert "abc" not in repr(calls.get_token().parse(b'{"token": "abc"}'))


def test_experiment_id_from_path():
    for path in (calls.content_path("e 1", "v"), calls.content_path("e 1"), calls.get_experiment("e 1").path):
        assert calls.experiment_id_from_path(path) == "e 1"
    with pytest.raises(InvalidDefinition, match="definition_location"):
        calls.experiment_id_from_path("/v3/models/e")


BROKEN = {"metadata": {"guid": "training-b"}, "entity": {"status": {"state": "paused"}}}


@pytest.mark.parametrize(
    "call", [calls.list_trainings(), calls.list_trainings_page("/v3/models?start=x"), calls.list_training_summaries()]
)
def test_unreadable_training_hides_no_other_of_a_list(call):
    resources = [BROKEN, json.loads(a_reply()), BROKEN]
    page = call.parse(json.dumps({"resources": resources, "next": None}).encode())
    assert [one.metadata.guid for one in page.resources] == ["training-AbC_12-xY"]
    assert page.unreadable_ids == {"training-b"}


def test_unreadable_training_hides_no_other_of_the_change_feed():
    content = json.dumps({"resources": [BROKEN, json.loads(a_reply())], "cursor": "7"}).encode()
    changes = calls.list_changes("6", 0).parse(content)
    assert [one.id for one in changes.resources] == ["training-AbC_12-xY"]
    assert (changes.unreadable_ids, changes.cursor) == ({"training-b"}, "7")


def test_unreadable_experiment_hides_no_other_of_a_list():
    entity = {
        "name": "n",
        "framework": {"name": "tensorflow", "version": "1"},
        "experiment_version": {"guid": "v", "url": "u", "content_url": "c"},
    }
    times = {"created_at": "2026-03-01T12:00:00Z", "modified_at": "2026-03-01T12:00:00Z"}
    good = {"metadata": {"guid": "e", "url": "u", **times}, "entity": entity}
    content = json.dumps({"resources": [{"metadata": {"guid": "x"}, "entity": {}}, good]}).encode()
    for call in (calls.list_experiments(), calls.list_versions("e")):
        found = call.parse(content)
        assert [one.metadata.guid for one in found.resources] == ["e"]
        assert found.unreadable_ids == {"x"}


WITHOUT_ID = [5, None, {}, {"metadata": {}}, *({"metadata": {"guid": guid}, "entity": {}} for guid in (None, "", 7))]


@pytest.mark.parametrize("bad", WITHOUT_ID, ids=repr)
@pytest.mark.parametrize(
    "call",
    [calls.list_trainings(), calls.list_training_summaries(), calls.list_changes("6", 0)],
    ids=("list", "skim", "feed"),
)
def test_training_without_a_usable_id_hides_no_other_of_a_list(call, bad):
    resources = [bad, json.loads(a_reply()), bad, BROKEN]
    page = call.parse(json.dumps({"resources": resources, "cursor": "7"}).encode())
    assert [one.metadata.guid for one in page.resources] == ["training-AbC_12-xY"]
    assert (page.unreadable_ids, page.unidentified_count) == ({"training-b"}, 2)


def test_training_without_an_id_is_a_protocol_error():
    reply = json.loads(a_reply())
    reply["metadata"]["guid"] = ""
    with pytest.raises(ProtocolError, match="guid"):
        calls.get_training("t").parse(json.dumps(reply).encode())


def test_unreadable_runtime_hides_no_other():
    good = {"framework": "python", "version": "3", "provides": "CPython", "aliases": None, "compatibility": None}
    resources = [{"framework": "python"}, good]
    listed = calls.list_runtimes().parse(json.dumps({"resources": resources, "gpus": 2}).encode())
    assert [one.framework for one in listed.resources] == ["python"]
    assert (listed.gpus, listed.unidentified_count) == (2, 1)


def test_null_means_absent_in_list_entries_too():
    reply = json.loads(a_reply(metrics=None, error=None))
    reply["entity"]["model_definition"] |= {"description": None, "author": None}
    page = calls.list_trainings().parse(json.dumps({"resources": [reply, BROKEN]}).encode())
    assert [one.id for one in page.resources] == ["training-AbC_12-xY"]
    assert page.resources[0] == calls.get_training("t").parse(json.dumps(reply).encode())
    assert page.unreadable_ids == {"training-b"}
