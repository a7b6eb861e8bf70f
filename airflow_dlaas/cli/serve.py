"""`airflow-dlaas serve`."""

from __future__ import annotations

import logging
import os
from typing import Annotated

import typer

from airflow_dlaas.exceptions import HostError

SERVICE_MISSING = 'The service is an extra: pip install "airflow-dlaas[service]" ({error})'


def register(app: typer.Typer) -> None:
    """Add the command."""
    app.command()(serve)


def serve(
    home: Annotated[str | None, typer.Option(help="Folder of everything the service keeps.")] = None,
    host: Annotated[str | None, typer.Option(help="Address to listen at.")] = None,
    port: Annotated[str | None, typer.Option(help="Port of the API.")] = None,
    objectstore_port: Annotated[str | None, typer.Option(help="Port of the embedded Swift.")] = None,
    gpus: Annotated[str | None, typer.Option(help="auto, virtual:N, or GPUs by index or UUID.")] = None,
    catalogue: Annotated[str | None, typer.Option(help="The site's own catalogue of runtimes (TOML).")] = None,
    users: Annotated[str | None, typer.Option(help="File of further users (htpasswd -B).")] = None,
    object_stores: Annotated[str | None, typer.Option(help="Stores that definitions may name: hosts, or any.")] = None,
    tls_certificate: Annotated[str | None, typer.Option(help="Certificate to show (PEM).")] = None,
    tls_key: Annotated[str | None, typer.Option(help="Its private key (PEM).")] = None,
    tls_ca: Annotated[str | None, typer.Option(help="Authorities that clients must trust for it (PEM).")] = None,
    insecure_listen: Annotated[
        bool,
        typer.Option("--insecure-listen", help="Listen beyond loopback although there is no TLS, or a weak password."),
    ] = False,
) -> None:
    """
    Run the training service in the foreground: API, dispatcher and an embedded OpenStack Swift.

    Each option is also a variable, DLAAS_PORT for --port, and there are more: see the README. Stopping the service
    stops no training; they are found again at the next start.
    """
    from airflow_dlaas.service.config.settings import read_settings

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
    # Each of their requests is a line otherwise: noise for whoever looks for a training's story.
    for noisy in ("alembic", "swiftclient", "urllib3", "requests"):
        logging.getLogger(noisy).setLevel(logging.WARNING)
    raise typer.Exit(run(settings, typer.echo))
