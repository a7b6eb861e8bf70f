"""Objects that many tests use as input."""

from __future__ import annotations

import json
from typing import Any

from airflow_dlaas.contract.base import parse_response
from airflow_dlaas.contract.training import Training


def a_reply(state: str = "completed", **status: Any) -> bytes:
    """Return a training as a server of 2017 sent it: with unknown keys, and with credentials in clear."""
    return json.dumps(
        {
            "metadata": {
                "guid": "training-AbC_12-xY",
                "url": "/v3/models/training-AbC_12-xY",
                "created_at": "2026-11-23T02:00:00.000Z",
                "modified_at": "2026-11-23T02:00:00.000Z",
                "newer": 1,
            },
            "entity": {
                "model_definition": {
                    "name": "n",
                    "definition_location": "https://h/v3/x",
                    "framework": {"name": "tensorflow", "version": "1.2-py3"},
                    "execution": {"command": "true", "resourceType": "small", "nodes": 1},
                },
                "training_data": [{"connection": {"password": "in-clear"}}],
                "status": {
                    "state": state,
                    "submitted_at": "2026-11-23T02:00:00.000Z",
                    "current_at": "2026-11-23T02:00:01.000Z",
                    **status,
                },
            },
        }
    ).encode()


def a_training(state: str = "completed", **status: Any) -> Training:
    return parse_response(Training)(a_reply(state, **status))


def writes_events(folder: str) -> str:
    """Return a command that writes an event file of TensorBoard to *folder*, a shell word: ``loss`` 0.25 at step 7."""
    return (
        'python3 -c "import google_crc32c as g, os, struct, sys; os.makedirs(sys.argv[1], exist_ok=True); '
        "f = open(sys.argv[1] + '/events.out.tfevents.1.host', 'wb'); "
        "v = b'\\x0a\\x04loss\\x15' + struct.pack('<f', 0.25); s = b'\\x0a' + bytes([len(v)]) + v; "
        "e = b'\\x09' + struct.pack('<d', 1.8e9) + b'\\x10\\x07' + b'\\x2a' + bytes([len(s)]) + s; "
        "c = lambda x: struct.pack('<I', (((v := g.value(x)) >> 15 | v << 17) + 0xa282ead8) & 0xffffffff); "
        "n = struct.pack('<Q', len(e)); f.write(n + c(n) + e + c(e))\" " + folder
    )
