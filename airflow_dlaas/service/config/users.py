"""
Who may log in: the service's own user, whose password is known here, and those of a file, whose passwords are not.

The file is an htpasswd file with bcrypt hashes (``htpasswd -B``), one ``name:hash`` a line.
"""

from __future__ import annotations

import contextlib
import fcntl
import hashlib
import hmac
import logging
import re
import threading
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, field
from pathlib import Path

import bcrypt

from airflow_dlaas.exceptions import NotConfigured
from airflow_dlaas.service.job_files import write_text_atomic

logger = logging.getLogger(__name__)

USERS_SETTING = "DLAAS_USERS"

MAX_NAME_LENGTH = 64
MAX_PASSWORD_BYTES = 72
"""Bytes: bcrypt looks at no more, and two passwords that differ only behind them would be the same."""

BCRYPT_COST = 12
"""Of the hashes made here: some 0.3 s each. Twice as long with each step."""
MAX_BCRYPT_COST = 15
"""Of a hash that is taken: each login costs it, and more would be seconds."""

_HASH = re.compile(r"\$2[aby]\$(?P<cost>[0-9]{2})\$[./A-Za-z0-9]{53}", re.ASCII)


@dataclass(frozen=True)
class ServiceUser:
    """The service's own user."""

    name: str
    password: str = field(repr=False)

    def check_password(self, login: str, password: str) -> bool:
        """Whether these two belong together; that takes as long whether they do or not."""
        same_name, same_password = (
            hmac.compare_digest(hashlib.sha256(said.encode()).digest(), hashlib.sha256(known.encode()).digest())
            for said, known in ((login, self.name), (password, self.password))
        )
        return same_name and same_password

    def security_stamp(self, login: str) -> str | None:
        """See `CombinedUsers`."""
        return self.password if login == self.name else None


class UserFile:
    """
    The users of a file, read again when it has changed. Thread-safe.

    A file that is damaged or gone changes nobody's rights: the last good one goes on to count, and the log says so.
    To let nobody in, empty it.

    :raises NotConfigured: it can't be read, or a line of it is no user.
    """

    def __init__(self, path: Path) -> None:
        self._path = path
        self._lock = threading.Lock()
        self._file_version = self._read_file_version()
        self._hashes = read_users(path)

    def check_password(self, login: str, password: str) -> bool:
        """Whether these two belong together; for a user that isn't there it takes as long as for one that is."""
        users = self._current_hashes()
        found = users.get(login)
        said = password.encode()
        fits = len(said) <= MAX_PASSWORD_BYTES
        same = bcrypt.checkpw(said if fits else b"", (found or _dummy_hash(users)).encode())
        return same and fits and found is not None

    def security_stamp(self, login: str) -> str | None:
        """See `CombinedUsers`."""
        return self._current_hashes().get(login)

    def _current_hashes(self) -> Mapping[str, str]:
        with self._lock:
            seen = self._read_file_version()
            if seen != self._file_version:
                self._file_version = seen
                try:
                    self._hashes = read_users(self._path)
                except NotConfigured as error:
                    logger.error("The users stay as they were: %s", error)
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
    """All who may log in. The own user wins over one of the same name in the file."""

    service_user: ServiceUser
    user_file: UserFile | None = None

    def check_password(self, login: str, password: str) -> bool:
        """Whether these two belong together."""
        # Tried in vain, the own user's name costs what any other does: else the time would tell that it is one.
        return self.service_user.check_password(login, password) or (
            self.user_file is not None
            and self.user_file.check_password(login, password)
            and login != self.service_user.name
        )

    def security_stamp(self, login: str) -> str | None:
        """What changes when the user's password does; None for nobody. A secret, or almost one."""
        own = self.service_user.security_stamp(login)
        return own if own is not None or self.user_file is None else self.user_file.security_stamp(login)


def _dummy_hash(users: Mapping[str, str]) -> str:
    """A hash that is no password's, and takes as long to compare with as most of the users' do."""
    costs = [one[4:6] for one in users.values()]
    return f"$2b${max(set(costs), key=costs.count) if costs else BCRYPT_COST}${'.' * 53}"


def read_users(path: Path) -> dict[str, str]:
    """
    Read names and hashes; blank lines and those that begin with ``#`` are none.

    :raises NotConfigured: naming file and line, and showing no hash.
    """
    try:
        lines = path.read_text(encoding="utf-8").splitlines()
    except FileNotFoundError as error:
        raise NotConfigured(
            f"{USERS_SETTING} is {path}, and there is no such file; airflow-dlaas users add NAME makes it"
        ) from error
    except (OSError, ValueError) as error:
        why = error.strerror if isinstance(error, OSError) else "it is no text"
        raise NotConfigured(f"{USERS_SETTING} is {path}, which can't be read: {why}") from error
    users: dict[str, str] = {}
    for number, line in enumerate(lines, 1):
        if not line.strip() or line.startswith("#"):
            continue
        name, _, hashed = line.strip().partition(":")
        why = _entry_error(name, hashed) or ("the name is there twice" if name in users else None)
        if why is not None:
            raise NotConfigured(f"{USERS_SETTING}: {path}, line {number}: {why}")
        users[name] = hashed
    return users


def _entry_error(name: str, hashed: str) -> str | None:
    if not is_valid_name(name):
        return f"a name has 1 to {MAX_NAME_LENGTH} characters, without blanks and colons"
    found = _HASH.fullmatch(hashed)
    if found is None:
        return "only bcrypt hashes are taken, as htpasswd -B and airflow-dlaas users add make them"
    if not 4 <= int(found["cost"]) <= MAX_BCRYPT_COST:
        return f"the hash's cost is not from 4 to {MAX_BCRYPT_COST}; set the password again"
    return None


def is_valid_name(name: str) -> bool:
    """Whether a user may be called that."""
    return 0 < len(name) <= MAX_NAME_LENGTH and name.isprintable() and not re.search(r"[\s:]|^#", name)


def hash_password(password: str) -> str:
    """
    Hash *password* for the file.

    :raises NotConfigured: bcrypt would look at a part of it only, or no client could send it.
    """
    said = password.encode()
    if len(said) > MAX_PASSWORD_BYTES:
        raise NotConfigured(
            f"The password has {len(said)} bytes, and bcrypt looks at the first {MAX_PASSWORD_BYTES} only; take a "
            "shorter one"
        )
    if not password or not password.isprintable():
        raise NotConfigured("A password must not be empty, and must not hold control characters")
    return bcrypt.hashpw(said, bcrypt.gensalt(BCRYPT_COST)).decode()


@contextlib.contextmanager
def edit_users(path: Path) -> Iterator[dict[str, str]]:
    """
    Hand out the users of *path*, none if there is no such file, and write them back: whole or not at all, 0600.

    Two who edit at a time wait for each other. Comments are lost.
    """
    try:
        with path.with_name(f".{path.name}.lock").open("a") as lock:
            fcntl.flock(lock, fcntl.LOCK_EX)
            users = read_users(path) if path.exists() else {}
            yield users
            write_text_atomic(path, "".join(f"{name}:{hashed}\n" for name, hashed in users.items()), mode=0o600)
    except OSError as error:
        raise NotConfigured(f"{USERS_SETTING} is {path}, which can't be written: {error.strerror}") from error
