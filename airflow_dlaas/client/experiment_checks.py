"""What a client checks before it creates an experiment at a service that may lack an extension."""

from __future__ import annotations

from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.experiment import ExperimentDraft
from airflow_dlaas.exceptions import InvalidBundle


def require_nested_code(client: Client, draft: ExperimentDraft) -> None:
    """
    Check that the service knows the key ``nested``, if *draft* has it.

    :raises InvalidBundle: it does not.
    """
    if draft.nested and not client.extensions.nested_code:
        raise InvalidBundle(
            "nested: this service does not know folders in the zip of an experiment: put all files at the first level, "
            "or, if its site accepts folders in general (DLAAS_ALLOW_NESTED), leave nested out here"
        )
