"""
The configuration of the embedded Swift: the launch configuration from the service, and the text of Swift's files.

Values and pure functions. An option differs from Swift's default only if a store of one node needs it; a comment has
the reason.
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
"""Must never change: it determines the path of every object."""

LOOPBACK = "127.0.0.1"
"""Address of the account, container and object servers. Only the proxy and these servers connect to them."""


class StoreFolders(NamedTuple):
    """Paths in the directory of the store."""

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
    What the service sends to the process of the store, over standard input: the key must not be on a command line.

    `parent_pid` is the process id of the service; the store ends when its parent is another process. `certificate` and
    `private_key` are paths; with them, the proxy uses TLS. (Swift's own option ``cert_file`` does not serve here: the
    code that opens the port reads it, and the port is already open.)
    """

    host: str
    port: int
    user: str
    key: str = field(repr=False)
    parent_pid: int = 0
    certificate: str | None = None
    private_key: str | None = None

    def __post_init__(self) -> None:
        """
        Raise `NotConfigured` for a user or a key that Swift's configuration files or its v1 login cannot represent.
        """
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
    """The loopback ports of the servers behind the proxy; they change at each start."""

    account: int
    container: int
    object: int


def swift_conf(hash_prefix: str, hash_suffix: str) -> str:
    """
    Return ``swift.conf``: the prefix and the suffix that Swift hashes into the path of every object.

    It is written only once. With another prefix or suffix, Swift cannot find the objects stored before.
    """
    return f"[swift-hash]\nswift_hash_path_prefix = {hash_prefix}\nswift_hash_path_suffix = {hash_suffix}\n"


def _default_section(folders: StoreFolders) -> str:
    # A device here is a directory, not a mounted disk. No space is reserved on it; a full disk is answered with 507.
    # The timeouts are for a busy machine, not for a node that may be lost.
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
    Return the configuration of the account, the container or the object server.

    It contains *secret*, which each request to the server must carry: write it to a file that only its owner can read.
    """
    # A listing must show an object as soon as its PUT is answered, so the object server waits for the container server
    # for a long time.
    filters = " ".join(["backend_auth", *_BACKEND_FILTERS.get(server_type, ())])
    return f"""\
{_default_section(folders)}
[pipeline:main]
pipeline = {filters} {server_type}-server

[filter:backend_auth]
paste.filter_factory = airflow_dlaas.service.objectstore.backend_auth:filter_factory
secret = {secret}

[app:{server_type}-server]
use = egg:swift#{server_type}
log_requests = false
container_update_timeout = 60
""" + "".join(
        f"\n[filter:{name}]\npaste.filter_factory = airflow_dlaas.service.objectstore.{name}:filter_factory\n"
        for name in _BACKEND_FILTERS.get(server_type, ())
    )


_BACKEND_FILTERS = {"container": ("account_updates",), "object": ("listing_updates",)}
"""Further filters of the servers behind the proxy; each one sends what is not reported yet to the server before it."""


def proxy_config(launch_config: LaunchConfig, folders: StoreFolders, hash_suffix: str) -> str:
    """
    Return the configuration of the proxy, the server that clients connect to.

    It contains the key: write it to a file that only its owner can read. Tokens are encrypted with a key that is
    derived from *hash_suffix* and the user's key. So tokens stay valid after a restart, and none is stored. A new key
    invalidates old tokens.
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
    return proxy_config_with_auth({"s3api": _S3API_OPTIONS, "tempauth": tempauth}, folders)


ProxyConfigFactory = Callable[[LaunchConfig, StoreFolders, str], str]
"""The signature of `proxy_config`; a caller may pass another function with other authentication."""


def proxy_config_with_auth(auth_filters: Mapping[str, str], folders: StoreFolders) -> str:
    """
    Return the configuration of a proxy that authenticates by *auth_filters*: filters in their order, with their
    options.
    """
    filters = {**auth_filters, **{name: f"use = egg:swift#{name}\n" for name in _FILTERS_WITHOUT_OPTIONS}}
    # With a single node, it is useless to avoid a node after errors: hence the suppression limits.
    return f"""\
{_default_section(folders)}
[pipeline:main]
pipeline = catch_errors gatekeeper healthcheck cache listing_formats bulk tempurl {" ".join(auth_filters)} copy slo \
dlo versioned_writes symlink proxy-server

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


# Names that S3 itself does not permit are permitted, so that every container of Swift's own API is a bucket, too.
_S3API_OPTIONS = """\
use = egg:swift#s3api
location = us-east-1
allow_no_owner = true
s3_acl = false
dns_compliant_bucket_names = false
"""
"""Swift's own S3 API: the id of the access key is the user, the secret key is the user's key."""

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
"""Filters without options; the pipeline of the proxy determines their order."""
