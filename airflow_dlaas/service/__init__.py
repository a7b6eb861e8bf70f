"""
The other tower: a training service that speaks the page's API and really trains.

An extra (``pip install "airflow-dlaas[service]"``), Linux only. It imports nothing of Airflow's and nothing of the
provider's. ``api`` and ``dispatcher`` meet only in the ``store``; ``app`` alone knows all the parts.
"""
