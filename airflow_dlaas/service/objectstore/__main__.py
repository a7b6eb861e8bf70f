"""``python -m airflow_dlaas.service.objectstore FOLDER``: the store's process. Started by ``embedded`` only."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow_dlaas.service.objectstore import swift_config


def main(proxy: swift_config.Proxy = swift_config.proxy) -> None:
    # Names are never looked up here: all addresses are numbers, and the green resolver is slow to load.
    os.environ["EVENTLET_NO_GREENDNS"] = "yes"
    from airflow_dlaas.service.objectstore import supervisor

    # Unbuffered, so that select() and this line see the same input.
    order = swift_config.Order.from_line(_line(0))
    supervisor.supervise(Path(sys.argv[1]), order, proxy)


def _line(descriptor: int) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        more = os.read(descriptor, 4096)
        if not more:
            raise SystemExit("the service ended before it said what to do")
        read += more
    return read


if __name__ == "__main__":
    main()
