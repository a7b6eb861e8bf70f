"""The check whether a training may have secrets, when it is submitted."""

from __future__ import annotations

from airflow_dlaas.contract.definition_keys import EXECUTION
from airflow_dlaas.contract.execution import Execution
from airflow_dlaas.exceptions import InvalidRequest
from airflow_dlaas.service.api.dependencies import ApiDeps

SECRETS_FIELD = f"{EXECUTION}.secrets"


def require_isolated_secrets(deps: ApiDeps, execution: Execution) -> None:
    """
    Check that no other training could read the secrets of *execution*.

    Also for a container: a command without isolation can read the variables of all processes of its user. With
    ``DLAAS_ISOLATION=auto``, only the learner finds whether there is isolation (`learner.isolation`).

    :raises InvalidRequest: C101; the service runs commands without isolation. The message has the ways out.
    """
    if execution.secrets and not deps.isolates_secrets:
        raise InvalidRequest(
            f"{SECRETS_FIELD}: this service runs commands without isolation, so other trainings could read the "
            "secrets; submit to a service with DLAAS_ISOLATION=auto or bubblewrap, or set "
            "DLAAS_SECRETS_WITHOUT_ISOLATION=yes for this one",
            code="C101",
            target=SECRETS_FIELD,
        )
