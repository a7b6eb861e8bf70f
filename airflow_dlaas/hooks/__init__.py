"""
The hooks, and the fields of the Airflow connections that they read.

A hook makes a client of the service or an object store from an Airflow connection. The client and the store decide what
is retried, and `airflow_dlaas.contract.outcome` decides what a final state means. Libraries are imported where they are
used, not at the top: DAG files import this package at every parse.
"""
