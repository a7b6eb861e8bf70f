"""
What a running task does with its training: the run key, submission, waiting, results, cancellation. Private.

Hooks, connections and the classes that DAG authors use do not belong here.
"""
