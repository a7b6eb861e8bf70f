"""
Triggers: waiting in the triggerer, without a worker.

A trigger reports what it observed. What an ending means is decided by `airflow_dlaas.contract.outcome`.
"""
