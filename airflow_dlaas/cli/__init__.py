"""
The console script `airflow-dlaas`.

Each module has a group of commands, and each command only calls the package that does the work. A command imports what
it needs when it runs, so that the commands of the client work without the extra `service`. No other package imports
this one.
"""

from __future__ import annotations


def main() -> None:
    """Run the console script; this is its entry point."""
    from airflow_dlaas.cli.app import run

    run()
