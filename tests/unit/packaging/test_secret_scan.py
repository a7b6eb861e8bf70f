"""What looks like a secret is not packed by accident."""

from __future__ import annotations

import io
import zipfile
from pathlib import Path

import pytest

from airflow_dlaas.exceptions import InvalidBundle
from airflow_dlaas.packaging import archive
from airflow_dlaas.packaging.secret_scan import HEAD_SIZE, contains_private_key, has_secret_name

BEGIN = b"-----BEGIN %sPRIVATE KEY-----"
MATERIAL = b"MIIEvQIBADANBgkqhkiG9w0BAQEFAASCBKcwggSjAgEAAoIBAQC7VJTUt9Us8cKj"


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
def test_names_that_tell_of_a_secret(name: str) -> None:
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
def test_names_that_do_not(name: str) -> None:
    assert not has_secret_name(name)


@pytest.mark.parametrize(
    "content",
    [
        BEGIN % b"" + b"\nabc\n",
        BEGIN % b"RSA " + b"\r\nabc\r\n",
        BEGIN % b"OPENSSH ",
        BEGIN % b"ENCRYPTED " + b"\n" + MATERIAL,
        b"-----BEGIN PGP PRIVATE KEY BLOCK-----\n\n" + MATERIAL,
        b"-----BEGIN CERTIFICATE-----\n" + MATERIAL + b"\n-----END CERTIFICATE-----\n" + BEGIN % b"EC " + b"\nabc",
        b"key: |\n    " + BEGIN % b"" + b"\n    " + MATERIAL,
        b'{"private_key": "' + BEGIN % b"" + b"\\n" + MATERIAL + b'\\n"}',
        b'KEY = """' + BEGIN % b"" + b"\n" + MATERIAL,
        b"KEY = (\n    '" + BEGIN % b"" + b"\\n'\n    '" + MATERIAL,
        b"#" * (HEAD_SIZE - 40) + b"\n" + BEGIN % b"",
    ],
)
def test_a_private_key_is_seen_in_any_wrapping(content: bytes) -> None:
    assert contains_private_key(content[:HEAD_SIZE])


@pytest.mark.parametrize(
    "content",
    [
        b"",
        b"-----BEGIN CERTIFICATE-----\n" + MATERIAL + b"\n-----END CERTIFICATE-----\n",
        b"-----BEGIN PUBLIC KEY-----\n" + MATERIAL,
        b'if line == "' + BEGIN % b"RSA " + b'":\n    raise ValueError("leave your keys at home, please")\n',
        b"# A file with " + BEGIN % b"" + b" in it is refused.\n",
        b'KEY = "' + BEGIN % b"" + b'\\n..."\n',
    ],
)
def test_what_only_speaks_of_keys_is_none(content: bytes) -> None:
    assert not contains_private_key(content)


def a_folder(path: Path, **files: bytes) -> Path:
    path.mkdir()
    (path / "train.py").write_bytes(b"print()")
    for name, content in files.items():
        (path / name).write_bytes(content)
    return path


def test_a_secret_is_refused_with_both_ways_out_and_nothing_is_written(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "code", **{".env": b"TOKEN=x", "cert.pem": BEGIN % b"RSA "})
    target = tmp_path / "code.zip"
    target.write_bytes(b"what was there")
    with pytest.raises(InvalidBundle) as packing:
        archive.pack(folder, target=target)
    with pytest.raises(InvalidBundle) as digesting:
        archive.digest_folder(folder)
    said = str(packing.value)
    assert said == str(digesting.value)
    for words in ("'.env' (by its name)", "'cert.pem' (it holds a private key)", ".dlaasignore", "allow_secrets"):
        assert words in said
    assert "TOKEN" not in said
    assert target.read_bytes() == b"what was there"


def test_a_refusal_stays_readable_where_many_look_alike(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "code", **{f"{number}.key": b"" for number in range(8)})
    with pytest.raises(InvalidBundle, match=r"'4\.key' \(by its name\) and 3 more"):
        archive.pack(folder)


@pytest.mark.parametrize("allowed", [[".env", "cert.pem"], [".e*", "*.pem"], ["*"]])
def test_a_secret_that_is_named_is_packed(tmp_path: Path, allowed: list[str]) -> None:
    folder = a_folder(tmp_path / "code", **{".env": b"TOKEN=x", "cert.pem": BEGIN % b"RSA "})
    content = archive.pack(folder, allow_secrets=allowed)
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == [".env", "cert.pem", "train.py"]
    (tmp_path / "code.zip").write_bytes(content)
    assert archive.digest_folder(folder, allow_secrets=allowed) == archive.digest_archive(tmp_path / "code.zip")


def test_naming_one_secret_allows_no_other(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "code", **{".env": b"", "id_rsa": b""})
    with pytest.raises(InvalidBundle, match=r"one: 'id_rsa' \(by its name\)\. Leave"):
        archive.pack(folder, allow_secrets=[".env"])


def test_what_stays_out_anyway_need_not_be_named(tmp_path: Path) -> None:
    folder = a_folder(tmp_path / "code", **{".env": b"", "id_rsa": b"", "a.pem": BEGIN % b""})
    (folder / ".dlaasignore").write_text(".env\n")
    content = archive.pack(folder, include=["*.py", "*.pem", "*env"], exclude=["a.pem"])
    assert zipfile.ZipFile(io.BytesIO(content)).namelist() == ["train.py"]
