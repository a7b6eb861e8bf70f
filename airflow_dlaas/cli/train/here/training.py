"""A job of `train --here` as the document of a training, so that it is shown and printed as one of a service."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from datetime import datetime, timezone

from airflow_dlaas.contract.definition import TrainingDefinition
from airflow_dlaas.contract.error import ErrorItem, ErrorReport
from airflow_dlaas.contract.experiment import Metadata
from airflow_dlaas.contract.resource_report import ResourceReport
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import PhaseTime, Training, TrainingEntity, TrainingStatus
from airflow_dlaas.service.job_reports import ExitFile, PhaseFile, ResourcesFile
from airflow_dlaas.service.requested_resources import requested_amounts

NO_TRACE = "0" * 32
"""The trace of an error: there is no request."""

LOST_CODE = "S100"
"""The code of a learner that has ended without a result, as in a service."""


@dataclass(slots=True)
class HereTraining:
    """One job, with all that is known of it so far."""

    id: str
    definition: TrainingDefinition
    gpus: Sequence[str]
    runtime: str
    started_at: datetime = field(default_factory=lambda: datetime.now(timezone.utc))
    _phase: PhaseFile | None = None
    _resources: ResourcesFile | None = None

    def enter(self, phase: PhaseFile) -> bool:
        """Record the phase of the job; return whether it is a new one."""
        is_new = phase != self._phase
        self._phase = phase
        return is_new

    def running(self) -> Training:
        """Return the training before its end."""
        return self._training(TrainingState.RUNNING)

    def ended(self, result: ExitFile | None, resources: ResourcesFile | None = None) -> Training:
        """Return the training after its end; *result* is None if its learner was lost."""
        self._resources = resources
        if result is None:
            lost = ErrorItem(code=LOST_CODE, message="The learner has ended without a result: it was killed")
            return self._training(TrainingState.ERROR, error=lost)
        error = None
        if result.state is TrainingState.ERROR:
            error = ErrorItem(code=result.code or LOST_CODE, message=result.reason or "no reason is known")
        return self._training(result.state, error=error, result=result)

    def _training(
        self, state: TrainingState, *, error: ErrorItem | None = None, result: ExitFile | None = None
    ) -> Training:
        now, phase = datetime.now(timezone.utc), self._phase
        exit_code = None if result is None else result.exit_code
        status = TrainingStatus(
            state=state,
            submitted_at=self.started_at,
            running_at=self.started_at,
            finished_at=now if state.is_final else None,
            current_at=now,
            message=f"{self.id}: {exit_code or ''}" if state.is_final else None,
            error=None if error is None else ErrorReport(trace=NO_TRACE, errors=(error,)),
            phase=None if phase is None or state.is_final else phase.phase,
            gpus=tuple(self.gpus),
            runtime=self.runtime,
            isolation=None if phase is None else phase.isolation,
            phases=None if phase is None else (*phase.before, PhaseTime(phase=phase.phase, since=phase.since)),
            resources=self._report_resources(),
            warnings=None if result is None or not result.warnings else result.warnings,
            attempt=1,
        )
        metadata = Metadata(guid=self.id, url="", created_at=self.started_at, modified_at=now)
        entity = TrainingEntity(model_definition=self.definition.model_definition, status=status)
        return Training(metadata=metadata, entity=entity)

    def _report_resources(self) -> ResourceReport | None:
        if (found := self._resources) is None:
            return None
        requested = requested_amounts(self.definition.model_dump(mode="json", by_alias=True), len(self.gpus))
        return ResourceReport(
            requested=requested,
            given=found.given,
            used=found.used,
            enforced=found.enforced,
            enforced_by=found.enforced_by,
        )
