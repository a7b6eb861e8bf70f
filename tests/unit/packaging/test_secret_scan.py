"""Files that look like secrets are not packed by mistake."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import archive
from airflow_dlaas.packaging.secret_scan import HEAD_SIZE, contains_private_key, has_secret_name

PEM_HEADER = b"-----BEGIN %sPRIVATE KEY-----"
KEY_TEXT = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"


@pytest.mark.parametrize(
    "name",
    [
        ".env",
        ".env.local",
        ".env.production",
        "id_rsa",
        "id_dsa",
        "id_ecdsa",
        "id_ed25519",
        "server.key",
        "store.p12",
        "store.pfx",
        "trust.jks",
        "passwords.kdbx",
        ".netrc",
        ".pypirc",
        ".htpasswd",
        ".pgpass",
        ".git-credentials",
        "credentials.json",
        "service-account.json",
        "service-account-prod.json",
        "kubeconfig",
        "connections.json",
        "conf/.env",
        "deep/er/ID_RSA",
        "Server.KEY",
    ],
)
def test_secret_name_is_recognized(name: str) -> None:
    assert has_secret_name(name)


@pytest.mark.parametrize(
    "name",
    [
        ".env.example",
        ".env.sample",
        ".env.template",
        ".env.local.example",
        "env.py",
        "environment",
        "key.py",
        "keys.json",
        "id_rsa.pub",
        "monkey",
        "tokenizer.json",
        "connections.py",
        "server.pem",
        ".env/README",
        "credentials.json.md",
    ],
)
def test_other_name_is_not_a_secret_name(name: str) -> None:
    assert not has_secret_name(name)


@pytest.mark.parametrize(
    "content",
    [
        PEM_HEADER % b"" + b"\nabc\n",
        PEM_HEADER % b"RSA " + b"\r\nabc\r\n",
        PEM_HEADER % b"OPENSSH ",
        PEM_HEADER % b"ENCRYPTED " + b"\n" + KEY_TEXT,
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + KEY_TEXT,
        b"-----BEGIN CERTIFICATE-----\n" + KEY_TEXT + b"\n-----END CERTIFICATE-----\n" + PEM_HEADER % b"EC " + b"\nabc",
        b"key: |\n    " + PEM_HEADER % b"" + b"\n    " + KEY_TEXT,
        b'{"private_key": "' + PEM_HEADER % b"" + b"\\n" + KEY_TEXT + b'\\n"}',
        b'KEY = """' + PEM_HEADER % b"" + b"\n" + KEY_TEXT,
        b"KEY = (\n    '" + PEM_HEADER % b"" + b"\\n'\n    '" + KEY_TEXT,
        b"#" * (HEAD_SIZE - 40) + b"\n" + PEM_HEADER % b"",
    ],
)
def test_private_key_is_found_in_any_format(content: bytes) -> None:
    assert contains_private_key(content[:HEAD_SIZE])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n" + KEY_TEXT + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\n" + KEY_TEXT,
        b'if line == "' + PEM_HEADER % b"RSA " + b'":\n    raise ValueError("keys are not accepted")\n',
        b"# A file with " + PEM_HEADER % b"" + b" in it is refused.\n",
        b'KEY = "' + PEM_HEADER % b"" + b'\\n..."\n',
    ],
)
def test_content_without_a_private_key_is_accepted(content: bytes) -> None:
    assert not contains_private_key(content)


def write_code(path: Path, **files: bytes) -> Path:
    path.mkdir()
    (path / "train.py").write_bytes(b"print()")
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_pack_refuses_a_secret_with_both_solutions_and_writes_nothing(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code", **{".env": b"TOKEN=x", "cert.pem": PEM_HEADER % b"RSA "})
    target = tmp_path / "code.zip"
    target.write_bytes(b"what was there")
    with pytest.raises(InvalidBundle) as packing:
        archive.pack(folder, target=target)
    with pytest.raises(InvalidBundle) as digesting:
        archive.digest_folder(folder)
    message = str(packing.value)
    assert message == str(digesting.value)
    for words in ("'.env' (by its name)", "'cert.pem' (it holds a private key)", ".dlaasignore", "allow_secrets"):
        assert words in message
    assert "TOKEN" not in message
    assert target.read_bytes() == b"what was there"


def test_error_lists_secrets_up_to_a_limit(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code", **{f"{number}.key": b"" for number in range(8)})
    with pytest.raises(InvalidBundle, match=r"'4\.key' \(by its name\) and 3 more"):
        archive.pack(folder)


@pytest.mark.parametrize("allow_secrets", [[".env", "cert.pem"], [".e*", "*.pem"], ["*"]])
def test_allowed_secret_is_packed(tmp_path: Path, allow_secrets: list[str]) -> None:
    folder = write_code(tmp_path / "code", **{".env": b"TOKEN=x", "cert.pem": PEM_HEADER % b"RSA "})
    content = archive.pack(folder, allow_secrets=allow_secrets)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == [".env", "cert.pem", "train.py"]
    (tmp_path / "code.zip").write_bytes(content)
    assert archive.digest_folder(folder, allow_secrets=allow_secrets) == archive.digest_archive(tmp_path / "code.zip")


def test_allowed_secret_does_not_allow_others(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code", **{".env": b"", "id_rsa": b""})
    with pytest.raises(InvalidBundle, match=r"one: 'id_rsa' \(by its name\)\. Leave"):
        archive.pack(folder, allow_secrets=[".env"])


def test_excluded_secret_need_not_be_allowed(tmp_path: Path) -> None:
    folder = write_code(tmp_path / "code", **{".env": b"", "id_rsa": b"", "a.pem": PEM_HEADER % b""})
    (folder / ".dlaasignore").write_text(".env\n")
    content = archive.pack(folder, include=["*.py", "*.pem", "*env"], exclude=["a.pem"])
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["train.py"]
