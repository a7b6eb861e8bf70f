from __future__ import annotations

from pathlib import Path

from airflow_dlaas.service.runtimes.container import container_command, removal_command


def line(engine: str, gpus: tuple[str, ...]) -> list[str]:
    return container_command(
        engine,
        image="site/torch7",
        name="dlaas-training-abcdefghi",
        command=["/bin/sh", "-c", "th cnn.lua"],
        folders=[Path("/jobs/a/code"), Path("/jobs/a/data")],
        workdir=Path("/jobs/a/code"),
        environment={"DATA_DIR": "/jobs/a/data", "PATH": "/usr/bin", "CUDA_VISIBLE_DEVICES": "1"},
        gpus=gpus,
        user=(1000, 1000),
    )


def test_folders_keep_their_paths_and_the_image_keeps_its_path() -> None:
    assert line("/usr/bin/podman", ()) == [
        "/usr/bin/podman",
        "run",
        "--rm",
        "--name=dlaas-training-abcdefghi",
        "--init",
        "--workdir=/jobs/a/code",
        "--volume=/jobs/a/code:/jobs/a/code",
        "--volume=/jobs/a/data:/jobs/a/data",
        "--env=DATA_DIR=/jobs/a/data",
        "--entrypoint=",
        "site/torch7",
        "/bin/sh",
        "-c",
        "th cnn.lua",
    ]


def test_each_engine_is_told_of_gpus_in_its_own_words() -> None:
    assert "--device=nvidia.com/gpu=1" in line("/usr/bin/podman", ("0", "1"))
    assert '--gpus="device=0,1"' in line("/usr/bin/docker", ("0", "1"))
    assert "--user=1000:1000" in line("/usr/bin/docker", ())


def test_a_container_is_removed_by_name() -> None:
    assert removal_command("docker", "a") == ["docker", "rm", "--force", "a"]
