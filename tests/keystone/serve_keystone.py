"""
A Keystone v3 in an empty folder, with an administrator and nothing else.

``python serve_keystone.py FOLDER``, in Keystone's environment. Standard input has one line of JSON: ``port`` and
``password``. The line ``{}`` on standard output means that it accepts requests. It ends with standard input, or
with its parent process.

Every token that it issues is written to ``issued.jsonl``, with the id of its user, before the response is sent.
"""

from __future__ import annotations

import json
import multiprocessing
import os
import select
import sys
import threading
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import Any

from keystone.cmd import cli
from keystone.server.wsgi import initialize_public_application
from werkzeug.serving import make_server

App = Callable[[dict[str, Any], Callable[..., Any]], Iterable[bytes]]

# Standard output is for the line above. Without the cache every call sends two hundred queries to the database. With
# the default number of rounds every password takes a quarter of a second.
SETTINGS = """\
[DEFAULT]
use_stderr = true

[database]
connection = sqlite:///{folder}/keystone.db

[fernet_tokens]
key_repository = {folder}/keys

[fernet_receipts]
key_repository = {folder}/keys

[cache]
enabled = true
backend = dogpile.cache.memory

[identity]
password_hash_rounds = 4
"""


def main() -> None:
    parent = os.getppid()
    folder, sys.argv[1:] = Path(sys.argv[1]), []  # Keystone looks for options of its own there
    order = json.loads(sys.stdin.readline())
    settings = folder / "keystone.conf"
    settings.write_text(SETTINGS.format(folder=folder))
    address = f"http://127.0.0.1:{order['port']}/v3"
    owner = ("--keystone-user", str(os.getuid()), "--keystone-group", str(os.getgid()))
    addresses = (f"--bootstrap-{kind}-url={address}" for kind in ("admin", "internal", "public"))
    manage(settings, "db_sync")
    manage(settings, "fernet_setup", *owner)
    manage(settings, "bootstrap", f"--bootstrap-password={order['password']}", *addresses)
    os.environ["OS_KEYSTONE_CONFIG_FILES"] = str(settings)
    app = recording_tokens(initialize_public_application(), folder / "issued.jsonl")
    server = make_server("127.0.0.1", order["port"], app, threaded=True)
    threading.Thread(target=server.serve_forever, daemon=True).start()
    print("{}", flush=True)  # noqa: T201
    while os.getppid() == parent and not select.select([sys.stdin], [], [], 1.0)[0]:
        pass


def manage(settings: Path, *command: str) -> None:
    """Run a command of ``keystone-manage`` in a fork: a process can read Keystone's settings only once."""
    line = ["keystone-manage", "--config-file", str(settings), *command]
    process = multiprocessing.get_context("fork").Process(target=cli.main, args=(line,))
    process.start()
    process.join()
    if process.exitcode:
        raise SystemExit(f"keystone-manage {command[0]} ended with {process.exitcode}")


def recording_tokens(app: App, issued: Path) -> App:
    """Wrap *app*, and append the tokens that it issues to the file *issued*."""

    def answer(environ: dict[str, Any], start_response: Callable[..., Any]) -> Iterable[bytes]:
        if (environ["REQUEST_METHOD"], environ["PATH_INFO"]) != ("POST", "/v3/auth/tokens"):
            return app(environ, start_response)
        headers: dict[str, str] = {}

        def start(status: str, fields: list[tuple[str, str]], *error: Any) -> Any:
            headers.update(fields)
            return start_response(status, fields, *error)

        body = b"".join(app(environ, start))
        if token := headers.get("X-Subject-Token"):
            entry = {"user": json.loads(body)["token"]["user"]["id"], "token": token}
            with issued.open("a") as file:
                file.write(json.dumps(entry) + "\n")
        return [body]

    return answer


if __name__ == "__main__":
    main()
