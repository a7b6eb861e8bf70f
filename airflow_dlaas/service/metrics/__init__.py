"""
Metrics of trainings, without a change in user code.

Parsers of log lines (`log_metrics`, `regex_metrics`), of a metrics file that the training writes (`jsonl_metrics`) and
of TensorBoard's event files (`tfevents`) return values. The learner reads the growing files; `metrics_cache` serves the
curves to the API.
"""
