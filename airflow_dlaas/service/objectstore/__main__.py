"""``python -m airflow_dlaas.service.objectstore FOLDER``: the process of the store. Only `embedded` starts it."""

from __future__ import annotations

import os
import sys
from pathlib import Path

from airflow_dlaas.service.objectstore import swift_config


def main(proxy_config: swift_config.ProxyConfigFactory = swift_config.proxy_config) -> None:
    # No name is resolved here: all addresses are numeric, and loading the green resolver is slow.
    os.environ["EVENTLET_NO_GREENDNS"] = "yes"
    from airflow_dlaas.service.objectstore import supervisor

    # Unbuffered: a buffer would hide input from the later select().
    launch_config = swift_config.LaunchConfig.from_line(_read_line(0))
    supervisor.supervise(Path(sys.argv[1]), launch_config, proxy_config)


def _read_line(fd: int) -> bytes:
    read = b""
    while not read.endswith(b"\n"):
        more = os.read(fd, 4096)
        if not more:
            raise SystemExit("the service ended before it sent the launch configuration")
        read += more
    return read


if __name__ == "__main__":
    main()
