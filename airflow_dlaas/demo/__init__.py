"""
The whole thing on one machine, to look at: a service, a real Airflow, one DAG run, and a table at the end.

`leash` starts programs that cannot outlive us; `airflow` and `service` start ours with it; `api` speaks Airflow's
REST API; `picture` is what there is to see, `display` shows it, and `command` tells the story. The system tests
use the same Airflow. Nothing here belongs to the provider or to the service: neither imports this room.
"""
