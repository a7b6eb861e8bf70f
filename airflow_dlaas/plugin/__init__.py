"""
Trainings in Airflow's UI: pages and their JSON API, served by Airflow's own API server.

Data of Airflow comes from its public REST API, with the permissions of the user who sent the request; the plugin never
reads Airflow's database. Data of the service is requested with the connection's credentials, which stay in this
process. The plugin never waits for a training; the only change it makes is to cancel one.
"""
