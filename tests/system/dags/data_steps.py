"""Operators and sensors for data: upload, wait, second upload, download, mirror, delete."""

from __future__ import annotations

from pathlib import Path

from airflow.sdk import DAG, Asset, Param, chain, task

from airflow_dlaas.operators.data import DeleteDataOperator, DownloadDataOperator, UploadDataOperator
from airflow_dlaas.sensors.data import ObjectSensor

CONTAINER = "data-steps"

with DAG("data_steps", params={"workspace": Param("", type="string")}, catchup=False):

    @task
    def prepare(workspace: str) -> None:
        """Write the files to upload, and a file that is deleted later."""
        for name in ("data/a.csv", "data/deep/b.csv", "data/notes.tmp", "before/stale.csv", "late/late.csv"):
            file = Path(workspace) / name
            file.parent.mkdir(parents=True, exist_ok=True)
            file.write_text(name * 100)

    def upload(task_id: str, folder: str, prefix: str = "day", delete: bool = False) -> UploadDataOperator:
        """Upload a folder of the workspace."""
        return UploadDataOperator(
            task_id=task_id,
            source=f"{{{{ params.workspace }}}}/{folder}",
            container=CONTAINER,
            prefix=prefix,
            exclude=["*.tmp"],
            delete=delete,
            outlets=[Asset(f"swift://swift_default@{CONTAINER}/day")],
        )

    sense_late = ObjectSensor(
        task_id="sense_late",
        container=CONTAINER,
        name="day/late.csv",
        deferrable=True,
        poke_interval=1,
    )
    ObjectSensor(task_id="overdue", container=CONTAINER, name="never.csv", deferrable=True, poke_interval=1, timeout=5)
    late = upload("upload_late", "late")
    delete = DeleteDataOperator(task_id="delete", container=CONTAINER, prefix="day")

    chain(
        prepare("{{ params.workspace }}"),
        upload("upload", "data"),
        [
            ObjectSensor(task_id="sense_here", container=CONTAINER, name="day/a.csv", deferrable=False),
            ObjectSensor(task_id="sense_at_once", container=CONTAINER, prefix="day", min_count=2, deferrable=True),
        ],
        upload("upload_again", "data"),
        DownloadDataOperator(
            task_id="download", container=CONTAINER, prefix="day", destination="{{ params.workspace }}/copy"
        ),
        upload("upload_beside", "before", prefix="other"),
        upload("upload_stale", "before"),
        upload("mirror", "data", delete=True),
        late,
        delete,
    )
    sense_late >> delete
