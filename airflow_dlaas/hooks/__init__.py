"""
Hooks: what an Airflow connection means, and the only way from Airflow to ``client`` and ``storage``.

A hook turns a connection into an object that sends requests. It decides nothing: retries are decided in
`airflow_dlaas.client.protocol`, the meaning of a final state in `airflow_dlaas.contract.outcome`. Libraries are
imported in the functions that use them, not at module level: DAG files import this package at every parse.
"""
