"""
The zip of training code: which files go in, what a zip may hold, and how it is read safely.

Nothing here knows an object store, a service or Airflow.
"""
