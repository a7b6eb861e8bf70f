"""Assets that DAGs are scheduled on; Airflow finds their kinds by the provider's description."""
