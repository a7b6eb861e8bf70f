"""
The public API: the modules and names that DAG authors may import, and that do not change without a deprecation.

Everything else in the package is internal and may change in any release.
"""

from __future__ import annotations

import ast
from importlib import import_module
from pathlib import Path

import pytest

PACKAGE = Path(__file__).parents[2] / "airflow_dlaas"

PUBLIC_PACKAGES = ("assets", "contract", "decorators", "hooks", "notifications", "operators", "sensors")
"""Packages whose modules are public, except `INTERNAL_MODULES`. Some of them may not exist yet."""

INTERNAL_MODULES = {
    "contract.byte_size",
    "contract.data_sources",
    "contract.format_list",
    "contract.format_value",
    "contract.hyperparameter_values",
    "contract.hyperparameters",
    "contract.patterns",
    "contract.redirects",
    "contract.results",
    "contract.store_names",
    "contract.store_types",
    "contract.training_inputs",
    "contract.validation_messages",
    "hooks.airflow_connection",
    "hooks.compat",
    "hooks.connection_url",
    "hooks.connections",
    "hooks.object_transfers",
    "hooks.sources",
    "hooks.store_connections.airflow_connection",
    "hooks.store_connections.asset_uris",
    "hooks.store_connections.aws",
    "hooks.store_connections.aws_credentials",
    "hooks.store_connections.credentials",
    "hooks.store_connections.extra",
    "hooks.store_connections.google",
    "hooks.store_connections.google_credentials",
    "hooks.store_connections.swift",
    "operators.training_definition",
    "sensors.deferrable",
}

PUBLIC_API: dict[str, list[str]] = {
    "assets.swift": ["SAFE_CHARACTERS", "URI_FORMAT", "create_asset", "sanitize_uri"],
    "contract.annotations": ["Annotations", "MAX_NOTE_LENGTH", "MAX_TAGS", "MAX_TAG_LENGTH", "Tag"],
    "contract.attempt_text": ["describe_end", "describe_next_attempt", "describe_source", "max_attempts"],
    "contract.attempts": ["AttemptReport", "CheckpointReport", "ResumedFrom"],
    "contract.base": [
        "ApiList",
        "ApiModel",
        "Author",
        "Identifier",
        "OpaqueJson",
        "RequestModel",
        "Timestamp",
        "format_time",
        "parse_response",
        "without_nulls",
    ],
    "contract.curves": [
        "Curves",
        "DEFAULT_POINTS",
        "LogChunk",
        "LogMatch",
        "LogMatches",
        "MAX_LOG_CHUNK_BYTES",
        "MAX_POINTS",
        "Point",
        "Series",
        "metric_label",
        "series_of_final_values",
    ],
    "contract.data_manifest": [
        "DataManifest",
        "MANIFEST_BASENAME",
        "ManifestObject",
        "SourceManifest",
        "VERSIONS_FOLDER",
        "differences",
        "is_version_object",
        "version_object_name",
        "version_of",
    ],
    "contract.data_report": ["DataReport", "DataSourceReport", "LoadProgress"],
    "contract.definition": [
        "FRAMEWORKS",
        "Framework",
        "MAX_CONTAINERS",
        "MAX_FRAMEWORK_NAME_LENGTH",
        "MAX_IMAGE_LENGTH",
        "MAX_TRAINING_ID_LENGTH",
        "ModelDefinition",
        "RESULTS_REQUIRED",
        "TrainingDefinition",
    ],
    "contract.definition_keys": [
        "DEFINITION_KEYS",
        "EXECUTION",
        "SOURCE",
        "STORE_TYPES_OF_2017",
        "used_definition_keys",
        "used_store_types",
    ],
    "contract.environment": [
        "Environment",
        "HYPERPARAMETER_PREFIX",
        "MAX_TOTAL_BYTES",
        "MAX_VALUE_BYTES",
        "MAX_VARIABLES",
        "MIN_SECRET_LENGTH",
        "SERVICE_VARIABLES",
        "Secrets",
        "VARIABLE_NAME",
        "require_variable_name",
    ],
    "contract.error": [
        "ERRORS_BY_STATUS",
        "ERROR_CODES",
        "ErrorItem",
        "ErrorReport",
        "ErrorTarget",
        "TRAINING_ERROR_CODES",
        "parse_api_error",
    ],
    "contract.execution": ["DEFAULT_GRACE", "Execution", "MAX_GRACE", "MAX_NODES", "MAX_TIME_LIMIT", "ResourceType"],
    "contract.experiment": [
        "Experiment",
        "ExperimentDraft",
        "ExperimentEntity",
        "ExperimentList",
        "ExperimentVersion",
        "Metadata",
    ],
    "contract.instance": ["Extensions", "Runtime", "RuntimeList", "ServiceInstance", "ServiceInstanceEntity"],
    "contract.listing": ["EntryMetadata", "Listing", "UNIDENTIFIED_ENTRY", "UnidentifiedEntry", "UnreadableEntry"],
    "contract.log_stream": ["Frame", "FrameStatus", "LOG_COMPLETE_REASON", "MAX_LAST_LINES"],
    "contract.maintenance": ["GpuState", "MAX_REASON_LENGTH", "Maintenance", "MaintenanceEntry", "MaintenanceReason"],
    "contract.metric_definition": [
        "MAX_METRIC_DEFINITIONS",
        "MAX_NAME_LENGTH",
        "MAX_REGEX_LENGTH",
        "MetricDefinition",
        "STEP_GROUP",
        "value_group",
    ],
    "contract.recovery": ["ExitCode", "MAX_ATTEMPTS", "Recovery"],
    "contract.outcome": ["attempts_before_failure", "describe_results_location", "raise_for_state"],
    "contract.resource_report": ["ResourceAmounts", "ResourceReport"],
    "contract.resources": ["ByteSize", "MAX_CPUS", "MAX_GPUS", "Resources"],
    "contract.state": ["Phase", "TRANSITIONS", "TrainingState"],
    "contract.store_connections": [
        "AWS_ENDPOINT_URL",
        "Addressing",
        "GOOGLE_ENDPOINT_URL",
        "GcsStoreConnection",
        "HttpUrl",
        "MASK",
        "MaskedSecret",
        "REVEAL_SECRETS",
        "S3StoreConnection",
        "StoreConnection",
        "SwiftStoreConnection",
        "require_http_url",
    ],
    "contract.stores": [
        "AnyConnection",
        "ResultsStore",
        "StoreReference",
        "TrainingData",
        "TrainingResults",
    ],
    "contract.task_tag": ["MAX_ID_LENGTH", "TaskTag", "with_task_tag", "without_task_tag"],
    "contract.training": [
        "CANCEL_PATCH",
        "GpuUsage",
        "Metric",
        "MetricValue",
        "ModelDefinitionSummary",
        "NextPage",
        "PatchOperation",
        "PhaseTime",
        "RecoveryReport",
        "ResourceUsage",
        "ResultsLocation",
        "ResultsReport",
        "Training",
        "TrainingChanges",
        "TrainingEntity",
        "TrainingList",
        "TrainingStatus",
        "TrainingSummary",
        "TrainingSummaryEntity",
        "TrainingSummaryList",
        "UNREADABLE_RECORD",
        "UnreadableEntity",
        "UnreadableStatus",
        "UnreadableTraining",
    ],
    "contract.usage_history": ["DEFAULT_USAGE_POINTS", "UsageHistory", "UsagePoint", "UsageSeries"],
    "contract.usage_report": [
        "DEFAULT_REPORT_DAYS",
        "UsageGrouping",
        "UsageReport",
        "UsageRow",
        "UsageTotal",
        "WastedHours",
    ],
    "contract.watchdog": ["DEFAULT_GPU_WINDOW", "MAX_WATCHDOG_SECONDS", "Watchdog", "WatchdogAction"],
    "exceptions": [
        "ApiError",
        "Conflict",
        "ContainerNotFound",
        "Corrupted",
        "DlaasError",
        "HostError",
        "InvalidArgument",
        "InvalidBundle",
        "InvalidDefinition",
        "InvalidName",
        "InvalidRequest",
        "MethodNotAllowed",
        "NotConfigured",
        "NotFound",
        "NothingSelected",
        "ObjectNotFound",
        "ProtocolError",
        "RateLimited",
        "ServiceError",
        "StoreError",
        "StoreFull",
        "StoreNotAllowed",
        "StoreRedirected",
        "StoreRefused",
        "StoreUnreachable",
        "TooLarge",
        "TrainingCanceled",
        "TrainingEnded",
        "TrainingFailed",
        "TrainingOverdue",
        "Unauthenticated",
        "Unavailable",
        "Unreachable",
        "UpgradeRequired",
        "is_transient",
    ],
    "hooks.dlaas": ["DlaasHook", "make_client"],
    "hooks.gcs": ["GcsStoreHook"],
    "hooks.object_store": ["LazyStore", "ObjectStoreHook", "make_store"],
    "hooks.s3": ["S3StoreHook"],
    "hooks.swift": ["SwiftHook"],
    "operators.data": ["DeleteDataOperator", "DownloadDataOperator", "UploadDataOperator"],
    "operators.experiment": ["CreateExperimentOperator", "DeleteExperimentOperator", "PackageModelOperator"],
    "operators.model": ["FetchModelOperator"],
    "operators.training": ["SubmitTrainingOperator", "TrainModelOperator"],
    "operators.training_management": ["CancelTrainingOperator", "DeleteTrainingOperator", "PruneResultsOperator"],
    "sensors.data": ["ObjectSensor"],
    "sensors.training": ["TrainingSensor"],
}
"""By module (without ``airflow_dlaas.``): its public names, sorted."""

REEXPORTS = {
    "contract.definition": ["Execution", "ResourceType"],
    "contract.stores": [
        "AnySource",
        "ContainerRef",
        "DataContainerRef",
        "GcsStoreConnection",
        "MASK",
        "MAX_PATH_LENGTH",
        "MAX_PATTERNS",
        "MountRef",
        "REVEAL_SECRETS",
        "S3StoreConnection",
        "StoreConnection",
        "StoreKind",
        "StoreType",
        "SwiftStoreConnection",
    ],
    "hooks.swift": ["make_store"],
    "operators.training": [
        "CancelTrainingOperator",
        "DataSource",
        "DeleteTrainingOperator",
        "Mount",
        "ResultsContainer",
    ],
}
"""Names that users may also import from here; another module defines them."""


def public_modules() -> list[str]:
    """Return the public modules that exist in the package, without ``airflow_dlaas.``."""
    files = [PACKAGE / "exceptions.py", *(one for name in PUBLIC_PACKAGES for one in (PACKAGE / name).rglob("*.py"))]
    names = [str(one.relative_to(PACKAGE).with_suffix("")).replace("/", ".") for one in files]
    modules = {name.removesuffix(".__init__") for name in names if not name.rpartition(".")[2].startswith("_")}
    return sorted(modules - INTERNAL_MODULES)


def public_names(module: str) -> list[str]:
    """Return the names that *module* itself defines: without imports, type variables and names with an underscore."""
    body = ast.parse((PACKAGE / f"{module.replace('.', '/')}.py").read_text()).body
    found: list[str] = []
    for statement in body:
        match statement:
            case ast.ClassDef(name=name) | ast.FunctionDef(name=name) | ast.AsyncFunctionDef(name=name):
                found.append(name)
            case ast.Assign(value=ast.Call(func=ast.Name(id="TypeVar" | "ParamSpec"))):
                pass
            case ast.Assign(targets=targets):
                found += [one.id for one in targets if isinstance(one, ast.Name)]
            case ast.AnnAssign(target=ast.Name(id=name)):
                found.append(name)
    return sorted(name for name in found if not name.startswith("_"))


def test_public_modules_are_listed() -> None:
    listed, existing = set(PUBLIC_API), set(public_modules())
    assert existing == listed, (
        f"not in PUBLIC_API: {sorted(existing - listed)}; missing in the package: {sorted(listed - existing)}. Add a "
        "new public module to PUBLIC_API in this file and to docs/; add a module that is not meant for users to "
        "INTERNAL_MODULES, or move it to another package. A removed module breaks users: keep it, and deprecate it"
    )


@pytest.mark.parametrize("module", PUBLIC_API)
def test_public_names_are_listed(module: str) -> None:
    listed, existing = PUBLIC_API[module], public_names(module)
    assert listed == sorted(set(listed)), f"sort the names of {module} in PUBLIC_API, each once"
    assert existing == listed, (
        f"airflow_dlaas.{module}: not in PUBLIC_API: {sorted(set(existing) - set(listed))}; missing in the module: "
        f"{sorted(set(listed) - set(existing))}. Add a new public name to PUBLIC_API in this file and to docs/, or "
        "begin it with an underscore. A removed name breaks users: keep it, and deprecate it"
    )


@pytest.mark.parametrize(("module", "name"), [(module, name) for module, names in REEXPORTS.items() for name in names])
def test_reexported_names_can_be_imported(module: str, name: str) -> None:
    assert hasattr(import_module(f"airflow_dlaas.{module}"), name)


def test_internal_modules_exist() -> None:
    for module in INTERNAL_MODULES:
        assert (PACKAGE / f"{module.replace('.', '/')}.py").exists(), f"remove {module} from INTERNAL_MODULES"
