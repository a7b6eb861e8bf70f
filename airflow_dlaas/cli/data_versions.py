"""Commands for versions of training data: compare what two trainings have read, and make a version of a container."""

from __future__ import annotations

from typing import TYPE_CHECKING, Annotated, Any

import typer

from airflow_dlaas.cli.command_help import HelpPanel, add_command, format_examples
from airflow_dlaas.cli.connection_options import ConnectionOption, HomeOption, find_store, open_client
from airflow_dlaas.cli.data import ContainerArgument
from airflow_dlaas.cli.output import JsonOption, json_document, print_json, print_line
from airflow_dlaas.cli.store_access import open_store

if TYPE_CHECKING:
    from airflow_dlaas.cli.data_manifests import SourceComparison
    from airflow_dlaas.contract.data_report import DataSourceReport

group = typer.Typer(help="Versions of training data.", no_args_is_help=True, rich_markup_mode="rich")


def register(app: typer.Typer) -> None:
    """Add the commands."""
    add_command(
        group,
        compare,
        examples=(
            "airflow-dlaas data compare training-AbC_12-xY training-DeF_34-zQ",
            "airflow-dlaas data compare ID1 ID2 --json | jq .sources[].changed",
        ),
    )
    add_command(
        group,
        version,
        examples=(
            "airflow-dlaas data version digits --prefix train",
            "airflow-dlaas data version digits --from-training training-AbC_12-xY",
        ),
    )
    app.add_typer(
        group,
        name="data",
        rich_help_panel=str(HelpPanel.DATA),
        epilog=format_examples("airflow-dlaas data version digits"),
    )


def compare(
    before: Annotated[str, typer.Argument(metavar="ID1", help="A training.")],
    after: Annotated[str, typer.Argument(metavar="ID2", help="Another one.")],
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Compare the data that two trainings have read, object by object.

    The lists of their data are read from their results. Sources are compared in the order of the definitions.
    """
    from airflow_dlaas.cli.data_manifests import compare_sources, read_manifest
    from airflow_dlaas.cli.data_text import comparison_lines
    from airflow_dlaas.client import calls

    with open_client(home) as client:
        trainings = [client.send(calls.get_training(one)) for one in (before, after)]
    with open_store(find_store(home, connection)) as store:
        first, second = (read_manifest(store, one) for one in trainings)
    compared = compare_sources(first, second)
    if as_json:
        print_json({"equal": all(one.is_equal for one in compared), "sources": [_document(one) for one in compared]})
        return
    for one in compared:
        print_line("\n".join(comparison_lines(one.before, one.after, one.changes)))


def version(
    container: ContainerArgument,
    prefix: Annotated[str | None, typer.Option(help="The folder in the container that is the data.")] = None,
    from_training: Annotated[
        str | None,
        typer.Option(metavar="ID", help="Make the version that this training has read, not the present one."),
    ] = None,
    connection: ConnectionOption = None,
    as_json: JsonOption = False,
    home: HomeOption = None,
) -> None:
    """
    Make a version of the data in a container, and print its name for `version` in a definition.

    A training with this version loads exactly these objects, and fails if one of them is missing or has changed. The
    objects themselves are not copied: a version only lists them. It is stored in the container.
    """
    from airflow_dlaas.cli.data_manifests import present_source, read_manifest, source_of_training, store_version
    from airflow_dlaas.cli.data_text import describe_files
    from airflow_dlaas.client import calls
    from airflow_dlaas.contract.store_names import require_container_name, require_prefix

    require_container_name(container)
    folder = require_prefix(prefix or "").rstrip("/")
    access = find_store(home, connection)
    with open_store(access) as store:
        if from_training is not None:
            with open_client(home) as client:
                training = client.send(calls.get_training(from_training))
            manifest = source_of_training(read_manifest(store, training), container, prefix)
        else:
            listing = store.list_objects(container, f"{folder}/" if folder else "")
            manifest = present_source(listing, container, folder, access.store_type)
        name = store_version(store, manifest)
    if as_json:
        print_json(json_document(manifest.source))
        return
    print_line(describe_files(len(manifest.objects), manifest.source.bytes), err=True)
    print_line(name)


def _document(comparison: SourceComparison) -> dict[str, Any]:
    def source(report: DataSourceReport | None) -> Any:
        return None if report is None else json_document(report)

    changes = {name: list(names) for name, names in comparison.changes.items()}
    return {"before": source(comparison.before), "after": source(comparison.after), **changes}
