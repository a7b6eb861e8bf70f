"""How the texts of our operators' template fields are rendered."""

from __future__ import annotations

import ast
import copy
import json
from collections.abc import Iterable
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    import jinja2


def render(text: str, context: Any, environment: jinja2.Environment, *, native: bool) -> Any:
    """
    Render *text*, which is never the name of a file.

    :param native: give what a single expression evaluates to as it is, a list or a number, and what reads as a list or
        a dict as that. Unlike in Airflow (``render_template_as_native_obj``), a text stays a text, though it may look
        like a number: ``"1.0"`` as well as ``"{{ ds_nodash }}"``.
    """
    if not has_template(text, environment):
        return text
    template = environment.from_string(text)
    # As Airflow does it: `Template.render` would look up every item of the context.
    scope = copy.copy(context)
    scope.update((name, value) for name, value in template.globals.items() if name not in scope)
    try:
        nodes = list(
            template.root_render_func(environment.context_class(environment, scope, template.name, template.blocks))
        )
    except Exception:  # noqa: BLE001 - raises it again, with a traceback that points to the template
        environment.handle_exception()
    return _to_native(nodes) if native else "".join(map(str, nodes))


def has_template(text: str, environment: jinja2.Environment) -> bool:
    """Whether *environment* would find something to render in *text*."""
    return any(mark in text for mark in _template_markers(environment))


def _template_markers(environment: jinja2.Environment) -> list[str]:
    """Return how something begins that *environment* would render; a DAG may have signs of its own."""
    signs = (
        environment.variable_start_string,
        environment.block_start_string,
        environment.comment_start_string,
        environment.line_statement_prefix,
        environment.line_comment_prefix,
    )
    return [sign for sign in signs if sign]


def _to_native(nodes: Iterable[Any]) -> Any:
    import jinja2

    match list(nodes):
        case [one] if not isinstance(one, (str, jinja2.Undefined)):
            return one
        case several:
            text = "".join(map(str, several))  # an undefined one raises
            found = _parse_collection(text)
            return text if found is None else found


def _parse_collection(text: str) -> Any:
    """Read *text* as a list or a dict, of JSON or Python; None where it is none."""
    for read in (json.loads, ast.literal_eval):
        try:
            found = read(text.strip())
        except (ValueError, SyntaxError, MemoryError, RecursionError):
            continue
        if isinstance(found, (list, tuple, dict, set)):
            return found
    return None
