from __future__ import annotations

from airflow_dlaas.service.runners.local import learner_environment


def test_learner_environment_has_no_setting_and_no_secret_of_the_service() -> None:
    environ = {
        "PATH": "/bin",
        "HOME": "/home/x",
        "LC_ALL": "C",
        "HTTPS_PROXY": "http://proxy",
        "no_proxy": "localhost",
        "UV_CACHE_DIR": "/cache",
        "DLAAS_PASSWORD": "x",
        "AIRFLOW__CORE__FERNET_KEY": "x",
        "AWS_SECRET_ACCESS_KEY": "x",
        "LD_PRELOAD": "x",
    }
    assert set(learner_environment(environ)) == {"PATH", "HOME", "LC_ALL", "HTTPS_PROXY", "no_proxy", "UV_CACHE_DIR"}


def test_learner_environment_has_the_address_of_the_container_engine() -> None:
    environ = {"DOCKER_HOST": "tcp://engine:2376", "XDG_RUNTIME_DIR": "/run/user/7", "DOCKER_AUTH_CONFIG": "secret"}
    assert set(learner_environment(environ)) == {"DOCKER_HOST", "XDG_RUNTIME_DIR"}
