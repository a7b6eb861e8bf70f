"""
The training of a running task: its run key, submission, wait, results and cancellation. Private.

Hooks, connections and the classes that DAG authors use do not belong here.
"""
