"""File systems for Airflow's `ObjectStoragePath`, which finds them by the provider's description."""
