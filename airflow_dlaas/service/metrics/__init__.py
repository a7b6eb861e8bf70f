"""
Loss curves without a change in user code.

Readers of what a training leaves behind as it runs: log lines (`lines`), the metrics file of the page's successors
(`emetrics`). They turn text into `Metric` values and do no I/O; who follows files is the learner.
"""
