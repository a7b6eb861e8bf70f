"""
What the embedded Swift is made of: the order it is started with, and the text of its configuration.

Values and pure functions. The options differ from Swift's defaults only where one node on one machine needs it;
each says why.
"""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import re
from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass, field
from pathlib import Path
from typing import NamedTuple

from airflow_dlaas.exceptions import NotConfigured

DEVICE_NAME = "d1"
PART_POWER = 4
"""Fixed for ever: it decides under which path an object lies."""

LOOPBACK = "127.0.0.1"
"""Where the account, container and object servers listen. Only the proxy and each other have a reason to reach them."""


class StoreFolders(NamedTuple):
    """Where things lie under the store's folder."""

    root: Path

    @property
    def config_dir(self) -> Path:
        return self.root / "etc"

    @property
    def devices(self) -> Path:
        return self.root / "devices"

    @property
    def log(self) -> Path:
        return self.root / "swift.log"

    @property
    def lock(self) -> Path:
        return self.root / "lock"


@dataclass(frozen=True)
class LaunchConfig:
    """
    What the service tells the store's process, over its standard input: the key is on no command line.

    ``parent`` is the service's process id; the store ends when that is no longer its parent. ``certificate`` and
    ``private_key`` are files: with them the proxy speaks TLS. (Not by Swift's own ``cert_file``: that is read by the
    code that opens the port, and ours is open already.)
    """

    host: str
    port: int
    user: str
    key: str = field(repr=False)
    parent_pid: int = 0
    certificate: str | None = None
    private_key: str | None = None

    def __post_init__(self) -> None:
        """Raise `NotConfigured` for what Swift's configuration files or its v1 login could not carry."""
        if not re.fullmatch(r"[^\s:/]+:[^\s:]+", self.user):
            raise NotConfigured(f"The object store's user must be ACCOUNT:user, but is {self.user!r}.")
        if not re.fullmatch(r"[!-~]+", self.key) or "%(" in self.key:
            raise NotConfigured(
                "The object store's key must be printable ASCII without blanks and without '%(', and not empty."
            )

    def to_line(self) -> bytes:
        return json.dumps(asdict(self)).encode() + b"\n"

    @classmethod
    def from_line(cls, line: bytes) -> LaunchConfig:
        return cls(**json.loads(line))


class BackendPorts(NamedTuple):
    """The loopback ports of the servers behind the proxy; new ones at each start."""

    account: int
    container: int
    object: int


def swift_conf(hash_prefix: str, hash_suffix: str) -> str:
    """
    ``swift.conf``: what is mixed into the name of every object's place on disk.

    Written once. With another prefix or suffix everything stored before is still there and can't be found.
    """
    return f"[swift-hash]\nswift_hash_path_prefix = {hash_prefix}\nswift_hash_path_suffix = {hash_suffix}\n"


def _default_section(folders: StoreFolders) -> str:
    # A device here is a folder, not a mounted disk. Nothing is kept free on it: full is full, and said as 507.
    # The timeouts are meant for a busy machine rather than for a node that may have vanished.
    return f"""\
[DEFAULT]
swift_dir = {folders.config_dir}
devices = {folders.devices}
recon_cache_path = {folders.root / "recon"}
mount_check = false
fallocate_reserve = 0
workers = 0
log_level = WARNING
conn_timeout = 10
node_timeout = 60
"""


def backend_config(server_type: str, folders: StoreFolders, secret: str) -> str:
    """
    The configuration of the account, the container or the object server.

    It holds *secret*, which each request to the server must carry: write it where only its owner reads.
    """
    # A listing must show an object as soon as its PUT is answered: no updater runs here that would bring
    # late news later, so the object server waits for the container server as long as it takes.
    return f"""\
{_default_section(folders)}
[pipeline:main]
pipeline = backend_auth {server_type}-server

[filter:backend_auth]
paste.filter_factory = airflow_dlaas.service.objectstore.backend_auth:filter_factory
secret = {secret}

[app:{server_type}-server]
use = egg:swift#{server_type}
log_requests = false
container_update_timeout = 60
"""


def proxy_config(launch_config: LaunchConfig, folders: StoreFolders, hash_suffix: str) -> str:
    """
    The configuration of the server that clients talk to. It holds the key: write it where only its owner reads.

    Tokens are sealed with a key made from *hash_suffix* and the user's own, so they outlive a restart and no token
    has to be kept anywhere; a new key makes old tokens worthless.
    """
    account, user = (base64.b64encode(part.encode()).decode().rstrip("=") for part in launch_config.user.split(":"))
    fernet_key = base64.urlsafe_b64encode(
        hmac.digest(hash_suffix.encode(), launch_config.key.encode(), hashlib.sha256)
    ).decode()
    tempauth = f"""\
use = egg:swift#tempauth
user64_{account}_{user} = {launch_config.key} .admin
fernet_key_1 = {fernet_key}
active_fernet_key_id = 1
"""
    return proxy_config_with_auth({"tempauth": tempauth}, folders)


ProxyConfigFactory = Callable[[LaunchConfig, StoreFolders, str], str]
"""How `proxy_config` is called: whoever starts the store may say otherwise who is let in."""


def proxy_config_with_auth(auth_filters: Mapping[str, str], folders: StoreFolders) -> str:
    """The configuration of a proxy where *auth_filters* decide who is let in: filters in their order, with their options."""
    filters = {**auth_filters, **{name: f"use = egg:swift#{name}\n" for name in _FILTERS_WITHOUT_OPTIONS}}
    # Of a single node nothing is gained by leaving it alone after errors: hence the suppression limits.
    return f"""\
{_default_section(folders)}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {" ".join(auth_filters)} copy slo dlo \
versioned_writes symlink proxy-server

[app:proxy-server]
use = egg:swift#proxy
account_autocreate = true
error_suppression_interval = 1
error_suppression_limit = 1000000

[filter:tempurl]
use = egg:swift#tempurl
allowed_digests = sha256 sha512

[filter:cache]
paste.filter_factory = airflow_dlaas.service.objectstore.cache_middleware:filter_factory
""" + "".join(f"\n[filter:{name}]\n{options}" for name, options in filters.items())


_FILTERS_WITHOUT_OPTIONS = (
    "catch_errors",
    "gatekeeper",
    "healthcheck",
    "listing_formats",
    "bulk",
    "copy",
    "slo",
    "dlo",
    "versioned_writes",
    "symlink",
)
"""Filters that need no options; the proxy's pipeline says in which order they stand."""
