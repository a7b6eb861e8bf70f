"""
The console script: `airflow-dlaas`.

One file a family of commands, each a thin shell over the room that does the work; what a command costs to import is
imported inside it, so that the client's commands work without the service. Nothing here is for import by others.
"""

from __future__ import annotations


def main() -> None:
    """Run the console script: the entry point."""
    from airflow_dlaas.cli.app import run

    run()
