"""
The HTTP client of a service, with its log streams.

`calls` has the requests as values, and `protocol` the order of their steps; both do no I/O. `client` sends requests,
`log_stream` follows a log, `training_watcher` waits for many trainings with few requests. Nothing here uses Airflow,
reads configuration, accesses an object store or decides what the state of a training means for a task.
"""
