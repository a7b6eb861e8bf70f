"""
The archive (zip) of training code: which files it contains, what it may contain, and how it is read safely.

Nothing here uses an object store, the service or Airflow.
"""
