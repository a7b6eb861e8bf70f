"""
Saying the contract's words to a service, over HTTP and its WebSocket.

`calls` and `exchange` say what is sent and what comes next, and do no I/O; `client` sends, `monitor` follows a log,
`watch` waits for many trainings with one question. Nothing here knows Airflow, reads configuration, touches an
object store or judges how a training ended.
"""
