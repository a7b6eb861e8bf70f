"""
Waiting without a worker.

A trigger reports what it saw and decides nothing: what an ending means is `airflow_dlaas.contract.outcome`'s. Operators that do
wait on a worker use the same `attend`, so that both see, log and end alike.
"""
