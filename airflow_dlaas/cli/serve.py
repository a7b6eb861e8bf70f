"""The command `airflow-dlaas serve`."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command
from airflow_dlaas.exceptions import HostError

SERVICE_MISSING = 'The service is an extra: pip install "airflow-dlaas[service]" ({error})'


def register(app: typer.Typer) -> None:
    """Add the command."""
    add_command(
        app,
        serve,
        HelpPanel.SERVICE,
        examples=(
            "airflow-dlaas serve",
            "airflow-dlaas serve --home /srv/dlaas --gpus 0,1",
            "airflow-dlaas serve --host 0.0.0.0 --tls-certificate c.pem --tls-key k.pem",
        ),
    )


def serve(
    home: Annotated[str | None, typer.Option(help="Data directory: the folder for all files of the service.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen on.")] = None,
    port: Annotated[str | None, typer.Option(help="Port of the API.")] = None,
    objectstore_port: Annotated[str | None, typer.Option(help="Port of the embedded Swift.")] = None,
    gpus: Annotated[str | None, typer.Option(help="auto, virtual:N, or GPUs by index or UUID.")] = None,
    catalogue: Annotated[str | None, typer.Option(help="Catalogue of runtimes of the site (TOML).")] = None,
    users: Annotated[str | None, typer.Option(help="File of additional users (htpasswd -B).")] = None,
    object_stores: Annotated[
        str | None, typer.Option(help="Object stores that definitions may use: hosts, or any.")
    ] = None,
    tls_certificate: Annotated[str | None, typer.Option(help="Certificate of the service (PEM).")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its private key (PEM).")] = None,
    tls_ca: Annotated[str | None, typer.Option(help="Authorities that clients need to verify it (PEM).")] = None,
    insecure_listen: Annotated[
        bool,
        typer.Option("--insecure-listen", help="Listen beyond loopback without TLS, or with a weak password."),
    ] = False,
) -> None:
    """
    Run the training service in the foreground: API, dispatcher and an embedded OpenStack Swift.

    Each option can also be a variable, such as DLAAS_PORT for --port; the README lists further variables. Trainings
    continue when the service stops, and the next start of the service finds them.
    """
    from airflow_dlaas.service.config.read_settings import read_settings

    options = {
        "home": home,
        "host": host,
        "port": port,
        "objectstore_port": objectstore_port,
        "gpus": gpus,
        "catalogue": catalogue,
        "users": users,
        "object_stores": object_stores,
        "tls_certificate": tls_certificate,
        "tls_key": tls_key,
        "tls_ca": tls_ca,
        "insecure_listen": "yes" if insecure_listen else None,
    }
    settings = read_settings(os.environ, options)
    try:
        from airflow_dlaas.service.foreground import serve as run
    except ModuleNotFoundError as error:
        raise HostError(SERVICE_MISSING.format(error=error)) from error
    logging.basicConfig(level=logging.INFO, format="%(asctime)s %(levelname)s %(name)s: %(message)s")
    # Without this, each request of these libraries is a line, and the lines about trainings are hard to find.
    for noisy in ("alembic", "swiftclient", "urllib3", "requests"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    raise typer.Exit(run(settings, typer.echo))
