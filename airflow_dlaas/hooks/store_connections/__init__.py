"""
Airflow connections to object stores: of the types `swift`, `aws` and `google_cloud_platform`.

`airflow_connection.read_store_connection` reads the fields, without I/O. `credentials.FoundCredentials` are found when
they are needed: for S3 and Google Cloud Storage, they may come from a profile, a role or the machine itself, and end.
"""
