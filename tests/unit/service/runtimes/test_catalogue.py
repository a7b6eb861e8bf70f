from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue import RuntimeCatalogue, load_catalogue

TORCH_7 = "[[runtime]]\nframework='torch'\nversion='7'\nkind='uv'\nprovides='x'\nrequirements=['x']\n"


def resolve(catalogue: RuntimeCatalogue, name: str, version: str, command: str = "python3 train.py") -> RuntimeSpec:
    return catalogue.resolve(Framework(name=name, version=version), command)


@pytest.fixture
def site(tmp_path: Path) -> Path:
    return tmp_path / "runtimes.toml"


def test_version_of_the_v3_api_is_a_compatibility_entry() -> None:
    spec = resolve(load_catalogue(), "tensorflow", "1.2-py3")
    assert spec.compatibility
    assert spec.shim == "tf1"
    assert spec.provides == "TensorFlow 2.21.0 through its v1 API (compatibility entry for 1.2-py3)"


@pytest.mark.parametrize(
    ("name", "version"), [("tensorflow", "2"), ("TensorFlow", "2.21.0"), ("torch", "2.13"), ("tensorflow", "1.3-PY3")]
)
def test_version_or_alias_matches_in_any_case(name: str, version: str) -> None:
    assert resolve(load_catalogue(), name, version).kind == "uv"


@pytest.mark.parametrize("version", ["2.2", "2.21.1", "1.2-py2", "latest", "1"])
def test_similar_version_does_not_match(version: str) -> None:
    with pytest.raises(InvalidRequest, match=r"this service has tensorflow 2\.21 or 2") as caught:
        resolve(load_catalogue(), "tensorflow", version)
    assert (caught.value.code, caught.value.target) == ("C101", "model_definition.framework.version")


def test_framework_without_entries_is_refused_with_the_list() -> None:
    with pytest.raises(InvalidRequest, match=r"There is no caffe here; .*torch 2\.13") as caught:
        resolve(load_catalogue(), "caffe", "1.0-py2")
    assert caught.value.target == "model_definition.framework.name"


def test_lua_command_on_pytorch_is_refused() -> None:
    with pytest.raises(InvalidRequest, match="Lua's th") as caught:
        resolve(load_catalogue(), "torch", "2.13", "th cnn.lua -epoch 3")
    assert caught.value.target == "model_definition.execution.command"


def test_gpus_select_the_requirements_and_both_tensorflow_entries_share_them() -> None:
    for gpus, wanted in ((False, "tensorflow-cpu==2.21.0"), (True, "tensorflow[and-cuda]==2.21.0")):
        catalogue = load_catalogue(has_gpus=gpus)
        modern, compatible = resolve(catalogue, "tensorflow", "2.21"), resolve(catalogue, "tensorflow", "1.2-py3")
        assert modern.requirements[0] == wanted
        assert modern.requirements == compatible.requirements
        assert modern.room == compatible.room


def test_site_entries_add_replace_and_remove_entries(site: Path) -> None:
    site.write_text(
        """
        [[runtime]]
        framework = "Caffe"
        version = "1.0-py2"
        kind = "prefix"
        provides = "Caffe 1.0"
        path = ["/opt/caffe/bin"]

        [[runtime]]
        framework = "tensorflow"
        version = "2"
        kind = "venv"
        provides = "the site's own"
        python = "/opt/tf/bin"

        [[runtime]]
        framework = "torch"
        version = "2.13"
        kind = "uv"
        provides = "nothing"
        enabled = false
        """
    )
    catalogue = load_catalogue(site)
    assert resolve(catalogue, "caffe", "1.0-PY2").path == ("/opt/caffe/bin",)
    assert resolve(catalogue, "tensorflow", "2").provides == "the site's own"
    assert resolve(catalogue, "tensorflow", "2.21").kind == "uv"
    with pytest.raises(InvalidRequest, match="There is no torch here"):
        resolve(catalogue, "torch", "2.13")


@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[[runtime", "no TOML"),
        ("[[runtime]]\nframwork = 'torch'", r"runtime\[0\].framwork: is not a key"),
        ("[[runtime]]\nframework='torch'\nversion='7'\nkind='container'\nprovides='x'", "image is missing"),
        ("[[runtime]]\nframework='jax'\nversion='7'\nkind='uv'\nprovides='x'\nrequirements=['x']", "must be one of"),
        (
            2 * "[[runtime]]\nframework='torch'\nversion='7'\nkind='uv'\nprovides='x'\nrequirements=['x']\n",
            "same framework",
        ),
        (TORCH_7 + TORCH_7.replace("'7'", "'8'") + "aliases=['7']\n", "torch 7 is claimed twice"),
    ],
)
def test_error_in_the_site_file_is_named(site: Path, text: str, complaint: str) -> None:
    site.write_text(text)
    with pytest.raises(NotConfigured, match=complaint):
        load_catalogue(site)


def test_missing_site_file_is_named(site: Path) -> None:
    with pytest.raises(NotConfigured, match=r"runtimes\.toml cannot be read"):
        load_catalogue(site)


def test_unavailable_entry_is_listed_and_refused_with_the_reason() -> None:
    catalogue = load_catalogue(check_entry=lambda entry: "no disk" if entry.framework == "torch" else None)
    listed = {one.framework: one.unavailable for one in catalogue.list_runtimes()}
    assert listed == {"tensorflow": None, "torch": "no disk"}
    with pytest.raises(InvalidRequest, match=r"cannot be used now: no disk; this service has tensorflow"):
        resolve(catalogue, "torch", "2")


def test_resolved_entry_is_found_by_its_key() -> None:
    catalogue = load_catalogue()
    spec = resolve(catalogue, "tensorflow", "1.3")
    assert catalogue.get_spec(spec.key) == spec
    with pytest.raises(HostError, match="no longer in the catalogue"):
        catalogue.get_spec("torch-7")
