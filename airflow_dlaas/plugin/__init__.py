"""
Trainings in Airflow's UI: pages, and the JSON they ask for, served by Airflow's own API server.

What Airflow knows is asked of its public REST API, as the user who looks; its database is never read. What the
service knows is asked with the connection's credentials, which stay here. Nothing here waits for a training or changes
one, except that it asks for the end of one.
"""
