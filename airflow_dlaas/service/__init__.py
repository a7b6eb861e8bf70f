"""
The training service: a server of the documented deep-learning API that runs the trainings.

It is an extra (``pip install "airflow-dlaas[service]"``) and runs on Linux only. It imports neither Airflow nor the
provider. ``api`` and ``dispatcher`` do not import each other: they communicate through the ``store`` and through job
directories. ``app`` is the composition root, the one module that imports all components.
"""
