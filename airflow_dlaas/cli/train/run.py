"""The steps of `train` in their order."""

from __future__ import annotations

import tempfile
from contextlib import ExitStack
from pathlib import Path

from airflow_dlaas.cli.connection_options import StoreAccess, find_store, open_client
from airflow_dlaas.cli.exit_codes import ExitCode, exit_code_for_state
from airflow_dlaas.cli.output import print_json, print_line, print_model
from airflow_dlaas.cli.results import ResultsPart, fetch_results, plan_fetch
from airflow_dlaas.cli.store_access import open_store
from airflow_dlaas.cli.train.data import Stores, require_local_files, upload_data
from airflow_dlaas.cli.train.definition import build_definition, printable_definition
from airflow_dlaas.cli.train.follow import follow_training
from airflow_dlaas.cli.train.options import FollowOptions, TrainOptions, require_free_output, require_results_store
from airflow_dlaas.cli.train.output import PlainOutput
from airflow_dlaas.cli.train.pack import pack_code
from airflow_dlaas.cli.train.prepare import TrainPlan, describe_publication, prepare
from airflow_dlaas.cli.train.submit import make_key, submit
from airflow_dlaas.cli.train.view import FollowView
from airflow_dlaas.cli.transfer_display import progress_display
from airflow_dlaas.client import calls
from airflow_dlaas.client.client import Client
from airflow_dlaas.contract.outcome import raise_for_state
from airflow_dlaas.contract.state import TrainingState
from airflow_dlaas.contract.training import Training
from airflow_dlaas.exceptions import DlaasError, ObjectNotFound, TrainingEnded
from airflow_dlaas.storage.object_store import ObjectStore
from airflow_dlaas.task_runs.experiments import apply_action


class TrainRun:
    """One call of `train`."""

    def __init__(self, options: TrainOptions, follow: FollowOptions, output: PlainOutput) -> None:
        self._options = options
        self._follow = follow
        self._output = output
        self._training_id: str | None = None
        self._is_submitting = False

    def run(self, *, dry_run: bool) -> int:
        """
        Do all steps, or print what they would do; return the exit code.

        :raises DlaasError: a step failed. Before the submission, there is no training.
        """
        options = self._options
        require_free_output(options.output, overwrite=self._follow.overwrite)
        require_results_store(options)
        require_local_files(options.data)
        with ExitStack() as stack:
            archive = Path(stack.enter_context(tempfile.TemporaryDirectory(prefix="dlaas-"))) / "code.zip"
            packed = pack_code(options.code, archive)
            client = stack.enter_context(open_client(options.home))
            accesses = self._find_stores()
            stores = {name: stack.enter_context(open_store(one)) for name, one in accesses.items()}
            try:
                plan = prepare(options, client, accesses, stores, archive, self._output)
                self._output.step("code", packed)
                self._output.step("experiment", describe_publication(plan.publication, options.training_name))
                if dry_run:
                    return self._print_plan(plan)
                training = self._submit(client, stores, plan)
                if not self._follow.follow:
                    return self._print_submitted(training)
                return self._await_end(client, stores[options.results_connection], training)
            except KeyboardInterrupt:
                return self._on_interrupt(client)

    def _find_stores(self) -> dict[str | None, StoreAccess]:
        options = self._options
        return {name: find_store(options.home, name or options.connection) for name in options.connections}

    def _submit(self, client: Client, stores: Stores, plan: TrainPlan) -> Training:
        options = self._options
        for one in plan.data:
            self._output.step("data", upload_data(stores, one, options.data_options, progress_display))
        version = apply_action(client, plan.publication, plan.draft, plan.archive)
        definition = build_definition(options, plan.framework, self._find_stores(), version.url)
        self._is_submitting = True
        training = submit(client, definition, make_key())
        self._training_id = training.id
        self._output.step("training", f"{training.id} was submitted")
        return training

    def _print_plan(self, plan: TrainPlan) -> int:
        for one in plan.data:
            self._output.step("data", str(one))
        print_json(printable_definition(plan.definition))
        return ExitCode.SUCCESS

    def _print_submitted(self, training: Training) -> int:
        if self._follow.json:
            print_model(training)
        else:
            print_line(training.id)
        return ExitCode.SUCCESS

    def _await_end(self, client: Client, store: ObjectStore, training: Training) -> int:
        view = FollowView(metric=self._follow.metric)
        training = follow_training(client, training.id, self._output, view)
        try:
            raise_for_state(training)
        except TrainingEnded as error:
            self._output.show_last_lines()
            self._output.step(str(training.state), str(error))
        code = exit_code_for_state(training.state)
        if training.state is TrainingState.COMPLETED and self._follow.fetch:
            self._fetch(store, training)
        if self._follow.json:
            print_model(training)
        return code

    def _fetch(self, store: ObjectStore, training: Training) -> None:
        try:
            plan = plan_fetch(training, ResultsPart.MODEL, self._options.output)
            with progress_display("Fetched") as on_progress:
                report = fetch_results(store, plan, overwrite=self._follow.overwrite, on_progress=on_progress)
        except ObjectNotFound:
            self._output.step("model", "the training left none in $RESULT_DIR/model")
        except DlaasError:
            self._output.step("model", f"not fetched; to fetch it: airflow-dlaas fetch {training.id}")
            raise
        else:
            self._output.step("model", f"{plan.destination}: {report.files:,} files ({report.bytes:,} bytes)")

    def _on_interrupt(self, client: Client) -> int:
        training_id = self._training_id
        if training_id is None:
            what = (
                "a training may have been submitted: airflow-dlaas runs lists it"
                if self._is_submitting
                else "no training was submitted; the next call uploads only what is missing"
            )
            self._output.step("stopped", what)
        elif self._follow.cancel_on_interrupt:
            client.send(calls.cancel_training(training_id))
            self._output.step("stopped", f"{training_id} is being canceled")
        else:
            self._output.step(
                "stopped",
                f"{training_id} goes on. To follow it: airflow-dlaas logs {training_id} --follow; to cancel it: "
                f"airflow-dlaas cancel {training_id}",
            )
        return ExitCode.INTERRUPTED
