"""The description of this provider for Airflow: plain data, which every Airflow process reads at its start."""

from __future__ import annotations

from importlib.util import find_spec
from typing import Any


def get_provider_info() -> dict[str, Any]:
    """Return the description; Airflow finds this function by its entry point."""
    return {
        "package-name": "airflow-dlaas",
        "name": "DLaaS",
        "description": "Deep-learning trainings: package code, upload data, submit, wait, download results.",
        "integrations": [
            {
                "integration-name": "DLaaS",
                "external-doc-url": "https://pypi.org/project/airflow-dlaas/",
                "tags": ["service"],
            },
            {
                "integration-name": "OpenStack Swift",
                "external-doc-url": "https://docs.openstack.org/swift/",
                "tags": ["service"],
            },
            {
                "integration-name": "Object stores",
                "external-doc-url": "https://pypi.org/project/airflow-dlaas/",
                "tags": ["service"],
            },
        ],
        "operators": [
            {
                "integration-name": "DLaaS",
                "python-modules": [
                    "airflow_dlaas.operators.data",
                    "airflow_dlaas.operators.experiment",
                    "airflow_dlaas.operators.model",
                    "airflow_dlaas.operators.training",
                    "airflow_dlaas.operators.training_management",
                ],
            }
        ],
        "sensors": [
            {
                "integration-name": "DLaaS",
                "python-modules": ["airflow_dlaas.sensors.data", "airflow_dlaas.sensors.training"],
            }
        ],
        "hooks": [
            {"integration-name": "DLaaS", "python-modules": ["airflow_dlaas.hooks.dlaas"]},
            {"integration-name": "OpenStack Swift", "python-modules": ["airflow_dlaas.hooks.swift"]},
            {
                "integration-name": "Object stores",
                "python-modules": [
                    "airflow_dlaas.hooks.gcs",
                    "airflow_dlaas.hooks.object_store",
                    "airflow_dlaas.hooks.s3",
                ],
            },
        ],
        "triggers": [
            {
                "integration-name": "DLaaS",
                "python-modules": [
                    "airflow_dlaas.triggers.data",
                    "airflow_dlaas.triggers.model",
                    "airflow_dlaas.triggers.training",
                ],
            }
        ],
        "connection-types": [_dlaas_connection_type(), _swift_connection_type(), *_missing_connection_types()],
        "extra-links": ["airflow_dlaas.links.training.TrainingLink", "airflow_dlaas.links.training.TensorBoardLink"],
        "config": {
            "dlaas": {
                "description": "Settings of the provider of deep-learning trainings.",
                "options": {
                    "airflow_id": {
                        "description": "The name of this Airflow. It must be unique among all Airflow installations "
                        "that submit trainings as the same user of a service, and it must not change while trainings "
                        "run. Empty: the value of the Airflow Variable airflow_dlaas_id, which is created when first "
                        "needed.",
                        "type": "string",
                        "version_added": "0.1.0",
                        "example": "production-eu",
                        "default": "",
                    }
                },
            }
        },
        "filesystems": ["airflow_dlaas.fs.swift", "airflow_dlaas.fs.s3", "airflow_dlaas.fs.gcs"],
        "asset-uris": [
            {
                "schemes": ["swift"],
                "handler": "airflow_dlaas.assets.swift.sanitize_uri",
                "factory": "airflow_dlaas.assets.swift.create_asset",
            }
        ],
    }


def _dlaas_connection_type() -> dict[str, Any]:
    return {
        "connection-type": "dlaas",
        "hook-class-name": "airflow_dlaas.hooks.dlaas.DlaasHook",
        "hook-name": "Deep-learning service (DLaaS)",
        "ui-field-behaviour": {
            # The "Test" button of Airflow 3.3 fails without a port in its own field: see the README.
            "hidden-fields": ["schema"],
            "relabeling": {"host": "URL", "login": "User"},
            "placeholders": {"host": "http://127.0.0.1:8480", "login": "dlaas", "port": "8480, as in the URL"},
        },
        "conn-fields": {
            "verify": {
                "label": "Verify TLS",
                "description": "Off accepts any certificate: use it for tests only.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "ca_file": {
                "label": "CA file",
                "description": "Path, on the workers, of the certificates to trust instead of the system's.",
                "schema": {"type": ["string", "null"]},
            },
            "tensorboard_url": {
                "label": "TensorBoard",
                "description": "URL of your TensorBoard; {training_id} and {folder} are replaced by a training's.",
                "schema": {"type": ["string", "null"]},
            },
        },
    }


def _swift_connection_type() -> dict[str, Any]:
    return {
        "connection-type": "swift",
        "hook-class-name": "airflow_dlaas.hooks.swift.SwiftHook",
        "hook-name": "OpenStack Swift",
        "ui-field-behaviour": {
            "hidden-fields": ["schema"],
            "relabeling": {"host": "Auth URL", "login": "User", "password": "Key"},
            "placeholders": {
                "host": "http://127.0.0.1:8481/auth/v1.0",
                "login": "dlaas:trainer",
                "port": "8481, as in the URL",
            },
        },
        "conn-fields": {
            "project_id": {
                "label": "Project id",
                "description": "Keystone v3 only; then region and domain are needed too.",
                "schema": {"type": ["string", "null"]},
            },
            "region": {
                "label": "Region",
                "description": "Keystone v3 only.",
                "schema": {"type": ["string", "null"]},
            },
            "domain_name": {
                "label": "Domain",
                "description": "Keystone v3 only: the name of the user's and the project's domain.",
                "schema": {"type": ["string", "null"]},
            },
            "verify": {
                "label": "Verify TLS",
                "description": "Off accepts any certificate: use it for tests only.",
                "schema": {"type": ["boolean", "null"], "default": True},
            },
            "ca_file": {
                "label": "CA file",
                "description": "Path, on the workers, of the certificates to trust instead of the system's.",
                "schema": {"type": ["string", "null"]},
            },
        },
    }


def _missing_connection_types() -> list[dict[str, Any]]:
    """Return the types of connections to S3 and Google Cloud Storage where the providers that have them are missing."""
    types = {"amazon": _aws_connection_type(), "google": _google_connection_type()}
    return [one for provider, one in types.items() if find_spec(f"airflow.providers.{provider}") is None]


def _aws_connection_type() -> dict[str, Any]:
    return {
        "connection-type": "aws",
        "hook-class-name": "airflow_dlaas.hooks.s3.S3StoreHook",
        "hook-name": "Amazon Web Services (S3)",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "port", "schema"],
            "relabeling": {"login": "AWS Access Key ID", "password": "AWS Secret Access Key"},
            "placeholders": {"login": "empty: a profile, the environment, or the role of the machine"},
        },
        "conn-fields": {
            "endpoint_url": _text_field("Endpoint", "URL of another store with the API of S3; without it, AWS."),
            "region_name": _text_field("Region", "Region of the buckets."),
            "profile_name": _text_field("Profile", "Name of a profile in the AWS configuration of the workers."),
            "role_arn": _text_field("Role", "ARN of a role that is assumed."),
            "external_id": _text_field("External id", "For the role, if it requires one."),
        },
    }


def _google_connection_type() -> dict[str, Any]:
    return {
        "connection-type": "google_cloud_platform",
        "hook-class-name": "airflow_dlaas.hooks.gcs.GcsStoreHook",
        "hook-name": "Google Cloud (Storage)",
        "ui-field-behaviour": {
            "hidden-fields": ["host", "login", "password", "port", "schema"],
            "relabeling": {},
            "placeholders": {},
        },
        "conn-fields": {
            "project": _text_field("Project", "Project in which buckets are created."),
            "keyfile_dict": {
                "label": "Key (JSON)",
                "description": "JSON of the key of a service account; without a key, the account of the machine.",
                "schema": {"type": ["string", "null"], "format": "password"},
            },
            "key_path": _text_field("Key file", "Path, on the workers, of the file with that key."),
        },
    }


def _text_field(label: str, description: str) -> dict[str, Any]:
    return {"label": label, "description": description, "schema": {"type": ["string", "null"]}}
