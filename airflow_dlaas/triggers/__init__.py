"""
Triggers: waits in the triggerer, which occupy no worker.

A trigger reports what it has observed. `airflow_dlaas.contract.outcome` decides what that means for the task.
"""
