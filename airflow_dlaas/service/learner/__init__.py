"""
The program inside a job: one process that owns the job from its start to its end.

It claims the job directory exclusively, loads code and data, runs the command, stores the results and writes
``exit.json``. It uses the job directory, object stores and runtimes. It imports neither the API nor the service's store
nor the dispatcher, and sends them no requests. ``python -m airflow_dlaas.service.learner <job directory>``
"""
