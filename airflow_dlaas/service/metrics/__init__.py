"""
Metrics of trainings, without a change in user code.

Parsers return values: of log lines (`log_metrics` by a grammar, `regex_metrics` by expressions of the user), of a
metrics file that the training writes (`jsonl_metrics`) and of TensorBoard's event files (`tfevents`). The learner reads
the growing files and writes one metrics file. Its readers are `metrics_cache` for curves and `last_values` for a
training's status; `series_names` names the metrics for both.
"""
