"""
The command `train`: a folder of code becomes a training, and its model comes back.

Each step is a module: `framework`, `data`, `code`, `definition`, `submit`, `follow` and `fetch`; `run` puts them in
order. They call the packages that do the work. Nothing here imports Airflow.
"""

from __future__ import annotations
