"""Assets that schedule DAGs; Airflow finds their URI schemes by the provider info."""
