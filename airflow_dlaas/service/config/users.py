"""
Users that may log in: the service's own user, with a plain password, and the users of a file, with hashed passwords.

The file is an htpasswd file with bcrypt hashes (``htpasswd -B``), one ``name:hash`` per line.
"""

from __future__ import annotations

import contextlib
import hashlib
import hmac
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from airflow_dlaas._util.atomic_write import atomic_write_text
from airflow_dlaas._util.file_lock import file_lock
from airflow_dlaas.exceptions import InvalidArgument, NotConfigured

logger = logging.getLogger(__name__)

USERS_SETTING = "DLAAS_USERS"

MAX_NAME_LENGTH = 64
MAX_PASSWORD_BYTES = 72
"""Bytes of a password at most. bcrypt ignores the rest: two passwords that differ only there would be equal."""

BCRYPT_COST = 12
"""The cost of new hashes: a comparison takes some 0.3 s. Each step doubles the time."""
MAX_BCRYPT_COST = 15
"""The highest accepted cost of a hash. Each login takes that time; more would be many seconds."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)


@dataclass(frozen=True)
class ServiceUser:
    """The service's own user."""

    name: str
    password: str = field(repr=False)

    def check_password(self, login: str, password: str) -> bool:
        """Whether *login* is this user and *password* is theirs. The time does not depend on the result."""
        same_name, same_password = (
            hmac.compare_digest(hashlib.sha256(given.encode()).digest(), hashlib.sha256(known.encode()).digest())
            for given, known in ((login, self.name), (password, self.password))
        )
        return same_name and same_password

    def security_stamp(self, login: str) -> str | None:
        """See `CombinedUsers`."""
        return self.password if login == self.name else None


class UserFile:
    """
    The users of a file, which is read again when it has changed. Thread-safe.

    If the file is damaged or missing after a change, the users that were read last stay valid, and an error is logged.
    To remove all users, empty the file.

    :raises NotConfigured: the file cannot be read, or a line of it is invalid.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file_version = self._read_file_version()
        self._hashes = read_users(path)

    def check_password(self, login: str, password: str) -> bool:
        """Whether *login* is a user and *password* is theirs. An unknown user takes as long as a known one."""
        hashes = self._current_hashes()
        known_hash = hashes.get(login)
        encoded = password.encode()
        fits = len(encoded) <= MAX_PASSWORD_BYTES
        same = bcrypt.checkpw(encoded if fits else b"", (known_hash or _dummy_hash(hashes)).encode())
        return same and fits and known_hash is not None

    def security_stamp(self, login: str) -> str | None:
        """See `CombinedUsers`."""
        return self._current_hashes().get(login)

    def _current_hashes(self) -> Mapping[str, str]:
        with self._lock:
            file_version = self._read_file_version()
            if file_version != self._file_version:
                self._file_version = file_version
                try:
                    self._hashes = read_users(self._path)
                except NotConfigured as error:
                    logger.error("Reading the users file failed; the users that were read last stay valid: %s", error)
                else:
                    logger.info("Read %d users from %s", len(self._hashes), self._path)
            return self._hashes

    def _read_file_version(self) -> tuple[int, int, int] | None:
        try:
            stat = self._path.stat()
        except OSError:
            return None
        return stat.st_mtime_ns, stat.st_size, stat.st_ino


@dataclass(frozen=True)
class CombinedUsers:
    """All users. The service's own user has priority over a user of the same name in the file."""

    service_user: ServiceUser
    user_file: UserFile | None = None

    def check_password(self, login: str, password: str) -> bool:
        """Whether *login* is a user and *password* is theirs."""
        # A wrong password takes as long for the service's own user as for any other name: a shorter time would reveal
        # that name.
        return self.service_user.check_password(login, password) or (
            self.user_file is not None
            and self.user_file.check_password(login, password)
            and login != self.service_user.name
        )

    def security_stamp(self, login: str) -> str | None:
        """Return a value that changes with the password of *login*; None for an unknown user. Treat it as a secret."""
        own = self.service_user.security_stamp(login)
        return own if own is not None or self.user_file is None else self.user_file.security_stamp(login)


def _dummy_hash(users: Mapping[str, str]) -> str:
    """Return a hash that matches no password; a comparison takes as long as with most hashes of *users*."""
    costs = [hashed[4:6] for hashed in users.values()]
    return f"$2b${max(set(costs), key=costs.count) if costs else BCRYPT_COST}${'.' * 53}"


def read_users(path: Path) -> dict[str, str]:
    """
    Read the users at *path*: hashes by name. Blank lines and lines that begin with ``#`` are ignored.

    :raises NotConfigured: the file cannot be read, or a line is invalid. The message names file and line, and contains
        no hash.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotConfigured(
            f"{USERS_SETTING} is {path}, and there is no such file; airflow-dlaas users add NAME creates it"
        ) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no UTF-8 text"
        raise NotConfigured(f"{USERS_SETTING} is {path}, which cannot be read: {why}") from error
    users: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        problem = _entry_error(name, hashed) or ("the file has this name twice" if name in users else None)
        if problem is not None:
            raise NotConfigured(f"{USERS_SETTING}: {path}, line {number}: {problem}")
        users[name] = hashed
    return users


def _entry_error(name: str, hashed: str) -> str | None:
    if not is_valid_name(name):
        return f"a name has 1 to {MAX_NAME_LENGTH} characters, without blanks and colons"
    found = _HASH.fullmatch(hashed)
    if found is None:
        return "only bcrypt hashes are accepted; htpasswd -B and airflow-dlaas users add write them"
    if not 4 <= int(found["cost"]) <= MAX_BCRYPT_COST:
        return f"the cost of the hash is not from 4 to {MAX_BCRYPT_COST}; set the password again"
    return None


def is_valid_name(name: str) -> bool:
    """Whether *name* is a valid name of a user."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and not re.search(r"[\s:]|^#", name)


def hash_password(password: str) -> str:
    """
    Return the bcrypt hash of *password*.

    :raises InvalidArgument: *password* is longer than bcrypt permits, or no client could send it.
    """
    encoded = password.encode()
    if len(encoded) > MAX_PASSWORD_BYTES:
        raise InvalidArgument(
            f"password: it has {len(encoded)} bytes, and bcrypt uses only the first {MAX_PASSWORD_BYTES}; choose a "
            "shorter one"
        )
    if not password or not password.isprintable():
        raise InvalidArgument("password: it must not be empty, and must not contain control characters")
    return bcrypt.hashpw(encoded, bcrypt.gensalt(BCRYPT_COST)).decode()


@contextlib.contextmanager
def edit_users(path: Path) -> Iterator[dict[str, str]]:
    """
    Yield the users at *path*, none if the file does not exist; write them back after the block.

    The write is atomic and durable, with mode 0600; after an error in the block, the file stays as it was. A lock file
    beside *path* excludes other processes that edit it at the same time. Comments are lost.

    :raises NotConfigured: the file cannot be read or written.
    """
    try:
        with file_lock(path.with_name(f".{path.name}.lock"), mode=0o644):
            users = read_users(path) if path.exists() else {}
            yield users
            content = "".join(f"{name}:{hashed}\n" for name, hashed in users.items())
            atomic_write_text(path, content, mode=0o600, fsync=True)
    except OSError as error:
        raise NotConfigured(f"{USERS_SETTING} is {path}, which cannot be written: {error.strerror}") from error
