"""The users of a file, and the service's own user."""

from __future__ import annotations

import logging
import shutil
import subprocess
import time
from pathlib import Path

import bcrypt
import pytest

from airflow_dlaas.exceptions import InvalidArgument, NotConfigured
from airflow_dlaas.service.config.users import (
    MAX_PASSWORD_BYTES,
    CombinedUsers,
    ServiceUser,
    UserFile,
    edit_users,
    hash_password,
    is_valid_name,
    read_users,
)


def hashed(password: str, cost: int = 4) -> str:
    return bcrypt.hashpw(password.encode(), bcrypt.gensalt(cost)).decode()


ADA = hashed("ada's password")
MD5 = "$apr1$ybZlVn9B$Z8nbjVdMwKJKjcpqTpS8t1"
SHA = "{SHA}W6ph5Mm5Pz8GgiULbPgzG37mj9g="


@pytest.fixture
def path(tmp_path):
    path = tmp_path / "users"
    path.write_text(f"# the team\n\nada:{ADA}\nbob:{ADA.replace('$2b$', '$2y$')}\n")
    return path


def test_password_is_valid_for_its_user_only(path):
    users = UserFile(path)
    assert users.check_password("ada", "ada's password")
    assert users.check_password("bob", "ada's password")  # htpasswd writes bcrypt hashes with $2y$
    assert not users.check_password("ada", "bob's password")
    assert not users.check_password("eve", "ada's password")
    assert not users.check_password("ada", "")


@pytest.mark.skipif(shutil.which("htpasswd") is None, reason="htpasswd is not installed: apt-get install apache2-utils")
def test_file_written_by_htpasswd_is_read(path):
    subprocess.run(["htpasswd", "-bB", str(path), "carol", "carol's password"], check=True)
    assert UserFile(path).check_password("carol", "carol's password")


@pytest.mark.parametrize(
    ("line", "why"),
    [
        (f"eve:{MD5}", "only bcrypt"),
        (f"eve:{SHA}", "only bcrypt"),
        ("eve:plain-text-password", "only bcrypt"),
        ("eve:rl0oKBSAi0g0U", "only bcrypt"),
        ("eve", "only bcrypt"),
        ("eve:", "only bcrypt"),
        (f"eve:{ADA[:-1]}", "only bcrypt"),
        (f"eve:{ADA.replace('$04$', '$31$')}", "cost"),
        (f"eve:{ADA.replace('$04$', '$03$')}", "cost"),
        (f":{ADA}", "name"),
        (f"e ve:{ADA}", "name"),
        (f"{'e' * 65}:{ADA}", "name"),
        (f"ada:{ADA}", "twice"),
    ],
    ids=[  # the hashes have random salts, and all xdist workers need the same ids
        *("md5", "sha", "plain", "crypt", "no colon", "no hash", "cut off", "cost of 31", "cost of 3"),
        *("no name", "a space", "a long name", "twice"),
    ],
)
def test_invalid_line_is_refused_with_file_and_line_without_the_hash(path, line, why):
    with path.open("a") as file:
        file.write(line + "\n")
    with pytest.raises(NotConfigured, match=rf"DLAAS_USERS: {path}, line 5: .*{why}") as caught:
        UserFile(path)
    hash_of_it = line.partition(":")[2]
    assert not hash_of_it or hash_of_it not in str(caught.value)
    assert caught.value.__cause__ is None


def test_missing_file_is_reported_with_the_command_that_creates_it(tmp_path):
    with pytest.raises(NotConfigured, match=r"DLAAS_USERS is .*no such file; airflow-dlaas users add"):
        UserFile(tmp_path / "users")


def test_binary_file_is_refused(tmp_path):
    (tmp_path / "users").write_bytes(b"\xff\xfe\x00")
    with pytest.raises(NotConfigured, match="no UTF-8 text"):
        UserFile(tmp_path / "users")


def test_changed_file_is_read_again_at_once(path):
    users = UserFile(path)
    before = users.security_stamp("ada")
    with edit_users(path) as known:
        known["carol"] = hashed("carol's password")
        known["ada"] = hashed("another")
        del known["bob"]
    assert users.check_password("carol", "carol's password")
    assert not users.check_password("bob", "ada's password")
    assert users.security_stamp("bob") is None
    assert users.security_stamp("ada") not in (None, before)


def test_damaged_or_missing_file_keeps_the_last_users(path, caplog):
    users = UserFile(path)
    path.write_text("ada:damaged\n")
    with caplog.at_level(logging.ERROR):
        for _ in range(3):
            assert users.check_password("ada", "ada's password")
    assert caplog.text.count("line 1") == 1
    path.unlink()
    assert users.security_stamp("bob") is not None
    path.write_text("")
    assert users.security_stamp("bob") is None


def test_unknown_user_takes_as_long_as_a_known_one(tmp_path):
    path = tmp_path / "users"
    path.write_text(f"ada:{hashed('x', cost=9)}\n")
    users = CombinedUsers(ServiceUser("dlaas", "the own password"), UserFile(path))

    def cost(login: str, password: str) -> float:
        begun = time.process_time()
        assert not users.check_password(login, password)
        return time.process_time() - begun

    known = min(cost("ada", "wrong") for _ in range(3))
    for login, password in (("eve", "wrong"), ("dlaas", "wrong"), ("eve", "y" * 73), ("ada", "y" * 73)):
        assert min(cost(login, password) for _ in range(3)) > known / 2, login


def test_service_user_has_priority_over_the_file(path):
    users = CombinedUsers(ServiceUser("ada", "the own password"), UserFile(path))
    assert users.check_password("ada", "the own password")
    assert not users.check_password("ada", "ada's password")
    assert users.security_stamp("ada") == "the own password"
    assert users.check_password("bob", "ada's password")


def test_password_longer_than_the_limit_of_bcrypt_is_wrong(tmp_path):
    path = tmp_path / "users"
    longest = "x" * MAX_PASSWORD_BYTES
    path.write_text(f"ada:{hashed(longest)}\n")
    users = UserFile(path)
    assert users.check_password("ada", longest)
    assert not users.check_password("ada", longest + "y")


@pytest.mark.parametrize(
    ("password", "why"), [("x" * 73, "73 bytes.*first 72"), ("ä" * 37, "74 bytes"), ("", "empty"), ("a\0b", "control")]
)
def test_unusable_password_is_refused(password, why):
    with pytest.raises(InvalidArgument, match=why):
        hash_password(password)


def edit_with_error(path: Path) -> None:
    with edit_users(path) as known:
        known.clear()
        _ = 1 / 0


def test_edited_file_is_written_atomically_for_its_owner_only(path):
    path.chmod(0o644)
    inode = path.stat().st_ino
    with edit_users(path) as known:
        known["carol"] = ADA
    assert path.stat().st_mode & 0o777 == 0o600
    assert path.stat().st_ino != inode
    assert list(read_users(path)) == ["ada", "bob", "carol"]
    with pytest.raises(ZeroDivisionError):
        edit_with_error(path)
    assert list(read_users(path)) == ["ada", "bob", "carol"]
    assert {one.name for one in path.parent.iterdir()} == {"users", ".users.lock"}


def test_repr_of_users_contains_no_secret(path):
    users = CombinedUsers(ServiceUser("dlaas", "hush"), UserFile(path))
    assert "hush" not in repr(users)
    assert ADA not in repr(users)


@pytest.mark.parametrize("name", ["ada", "ada.lovelace@example.org", "Ädä", "a" * 64])
def test_valid_names(name):
    assert is_valid_name(name)


@pytest.mark.parametrize("name", ["", "a b", "a:b", "a\tb", "a\nb", "#a", "a" * 65, "a\0"])
def test_invalid_names(name):
    assert not is_valid_name(name)
