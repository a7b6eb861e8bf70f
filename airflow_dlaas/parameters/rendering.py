"""Rendering of texts in the template fields of our operators."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2

TEMPLATE_MARKERS = ("{{", "{%", "{#")
"""The beginnings of what Jinja renders, unless a DAG configures others."""

JINJA_SYNTAX_OPTIONS = (
    "variable_start_string",
    "block_start_string",
    "comment_start_string",
    "line_statement_prefix",
    "line_comment_prefix",
)
"""The options of Jinja by which a DAG (``jinja_environment_kwargs``) sets other markers."""


def has_template(text: str, environment: jinja2.Environment | None = None) -> bool:
    """Return whether *text* contains a marker of Jinja: of *environment*, or without one, of Jinja's defaults."""
    markers = TEMPLATE_MARKERS if environment is None else _template_markers(environment)
    return any(marker in text for marker in markers)


def render(text: str, context: Any, environment: jinja2.Environment, *, native: bool) -> Any:
    """
    Render *text*, which is never taken for the name of a file.

    :param native: return the value of a single expression unchanged, for example a list or a number, and parse a text
        that is a list or a dict. Unlike Airflow (``render_template_as_native_obj``), a text that looks like a number
        stays a text: both ``"1.0"`` and ``"{{ ds_nodash }}"``.
    """
    if not has_template(text, environment):
        return text
    template = environment.from_string(text)
    # As Airflow does: `Template.render` would look up every item of the context.
    scope = copy.copy(context)
    scope.update((name, value) for name, value in template.globals.items() if name not in scope)
    try:
        nodes = list(
            template.root_render_func(environment.context_class(environment, scope, template.name, template.blocks))
        )
    except Exception:  # noqa: BLE001 - raises the error again, with a traceback that points to the template
        environment.handle_exception()
    return _to_native(nodes) if native else "".join(map(str, nodes))


def _template_markers(environment: jinja2.Environment) -> list[str]:
    markers = [getattr(environment, option) for option in JINJA_SYNTAX_OPTIONS]
    return [marker for marker in markers if marker]


def _to_native(nodes: Iterable[Any]) -> Any:
    import jinja2

    match list(nodes):
        case [one] if not isinstance(one, (str, jinja2.Undefined)):
            return one
        case several:
            text = "".join(map(str, several))  # raises for an undefined value
            collection = _parse_collection(text)
            return text if collection is None else collection


def _parse_collection(text: str) -> Any:
    """Parse *text* as a list or a dict of JSON or Python; return None for any other text."""
    for parse in (json.loads, ast.literal_eval):
        try:
            value = parse(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(value, (list, tuple, dict, set)):
            return value
    return None
