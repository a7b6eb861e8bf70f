"""
The demo: a service and a real Airflow on one machine, one DAG run, and a table of its tasks.

`process_guard` starts programs that cannot outlive the demo; `airflow_processes` and `service_process` use it.
`example_dags` finds the example DAGs, and copies them for users. `airflow_api` is a client of Airflow's REST API.
`view_model` has the data to show, `display` shows it, `demo_flow` runs the demo, and `command` is the command line. The
system tests use the same Airflow. Neither the provider nor the service imports this package.
"""
