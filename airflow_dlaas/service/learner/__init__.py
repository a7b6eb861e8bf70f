"""
What runs inside a job: one process that owns it from its first second to its last.

It takes the job exclusively, brings code and data in place, runs the command, stores what came of it, and leaves
``exit.json``. It knows the job folder, the object stores and the runtimes; it knows nothing of the API, the service's
store or the dispatcher, and never asks them anything. ``python -m airflow_dlaas.service.learner <job folder>``
"""
