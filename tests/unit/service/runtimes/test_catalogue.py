from __future__ import annotations

from pathlib import Path

import pytest

from airflow_dlaas.contract.definition import Framework
from airflow_dlaas.exceptions import HostError, InvalidRequest, NotConfigured
from airflow_dlaas.service.image_allowlist import ImageAllowlist
from airflow_dlaas.service.job_spec import RuntimeSpec
from airflow_dlaas.service.runtimes.catalogue import RuntimeCatalogue, load_catalogue
from airflow_dlaas.service.runtimes.uv import MARKER_FILE, environment_name

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


def test_framework_of_the_site_is_accepted_by_any_name(site: Path) -> None:
    site.write_text(TORCH_7.replace("'torch'", "'JAX'").replace("'7'", "'0.10'"))
    catalogue = load_catalogue(site)
    assert resolve(catalogue, "jax", "0.10").key == "jax-0.10"
    with pytest.raises(InvalidRequest, match=r"There is no jax 7 here; .*jax 0\.10") as caught:
        resolve(catalogue, "Jax", "7")
    assert caught.value.target == "model_definition.framework.version"


def test_entry_without_requirements_is_a_plain_python(site: Path) -> None:
    site.write_text(TORCH_7.replace("['x']", "[]"))
    assert resolve(load_catalogue(site), "torch", "7").requirements == ()


IMAGE = "registry.example.org/team/jax:0.10"


def test_allowed_image_is_a_container_and_name_and_version_are_labels() -> None:
    catalogue = load_catalogue(images=ImageAllowlist.parse("registry.example.org/team/*:*"))
    spec = catalogue.resolve(Framework(name="my label", version="any", image=IMAGE), "th cnn.lua")
    assert (spec.key, spec.kind, spec.image) == (f"image:{IMAGE}", "container", IMAGE)
    assert catalogue.get_spec(spec.key) == spec


def test_image_that_is_not_allowed_is_refused_with_the_patterns_and_the_setting() -> None:
    catalogue = load_catalogue(images=ImageAllowlist.parse("registry.example.org/other/*:*"))
    with pytest.raises(InvalidRequest, match=r"registry\.example\.org/other/\*:\* .*DLAAS_IMAGES") as caught:
        catalogue.resolve(Framework(name="torch", version="2.13", image=IMAGE), "python3")
    assert (caught.value.code, caught.value.target) == ("C101", "model_definition.framework.image")
    with pytest.raises(InvalidRequest, match="runs no images"):
        load_catalogue().resolve(Framework(name="torch", version="2.13", image=IMAGE), "python3")
    with pytest.raises(HostError, match="is not allowed here"):  # the setting changed while the training was queued
        catalogue.get_spec(f"image:{IMAGE}")


def test_allowed_image_is_refused_if_no_engine_answers() -> None:
    catalogue = load_catalogue(
        images=ImageAllowlist.parse("registry.example.org/team/*:*"),
        check_entry=lambda entry: "no engine" if entry.kind == "container" else None,
    )
    with pytest.raises(InvalidRequest, match="cannot be used now: no engine") as caught:
        catalogue.resolve(Framework(name="torch", version="2.13", image=IMAGE), "python3")
    assert caught.value.target == "model_definition.framework.image"


def test_listed_runtime_has_the_size_of_its_environment(tmp_path: Path) -> None:
    catalogue = load_catalogue(environments_dir=tmp_path)
    spec = resolve(catalogue, "torch", "2")
    made = tmp_path / environment_name(spec)
    made.mkdir()
    (made / "library").write_bytes(b"x" * 100_000)
    (made / MARKER_FILE).write_text("{}")
    listed = {one.framework: one for one in catalogue.list_runtimes()}
    assert (listed["tensorflow"].prepared, listed["tensorflow"].environment_bytes) == (False, None)
    assert listed["torch"].prepared
    assert 100_000 <= (listed["torch"].environment_bytes or 0) < 200_000
    assert load_catalogue().list_runtimes()[0].environment_bytes is None


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
        (TORCH_7.replace("'torch'", "'jax gpu'"), r"runtime\[0\].framework: must be printable, without spaces"),
        (TORCH_7.replace("'torch'", "'image:jax'"), "without a colon"),
        (TORCH_7.replace("'torch'", "''"), r"framework: must have at least 1 character"),
        (TORCH_7.replace("requirements=['x']", ""), "requirements is missing"),
        (
            TORCH_7.replace("'torch'", "'tensorflow-1.2'").replace("'7'", "'py3'"),
            "have the same key tensorflow-1.2-py3",
        ),
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
    assert listed == {"tensorflow": None, "torch": "no disk", "python": None}
    with pytest.raises(InvalidRequest, match=r"cannot be used now: no disk; this service has tensorflow"):
        resolve(catalogue, "torch", "2")


def test_resolved_entry_is_found_by_its_key() -> None:
    catalogue = load_catalogue()
    spec = resolve(catalogue, "tensorflow", "1.3")
    assert catalogue.get_spec(spec.key) == spec
    with pytest.raises(HostError, match="no longer in the catalogue"):
        catalogue.get_spec("torch-7")
