"""File systems for `ObjectStoragePath` of Airflow, which finds them by the provider info."""
