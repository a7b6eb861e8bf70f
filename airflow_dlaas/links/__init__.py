"""Links on the page of a task in Airflow's UI."""
