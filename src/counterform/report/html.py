"""What every self-contained HTML page is made of; it asks the network for nothing.

Completions are hostile text. Three walls stand between them and the reader's browser: the data is escaped JSON
in a block that is never run, the script writes it with `textContent` only, and the page's Content-Security-Policy
lets exactly its own scripts run, by their hashes. What a template writes is escaped.
"""

from __future__ import annotations

import base64
import hashlib
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from counterform.report import labels, tables
from counterform.text import numbers
from counterform.text.plain import plain


def html(template: str, *, name: str, scripts: Sequence[str] = (), style: str = "", **values: Any) -> str:
    """A page: its template filled with these values, under the common layout. name: what the page is about; style: CSS behind the common one."""
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(labels=labels, numbers=numbers, tables=tables)
    environment.filters["plain"] = plain
    environment.tests["kind"] = lambda block, name: type(block).__name__ == name
    return environment.get_template(template).render(
        name=name,
        css=Markup(asset("page.css") + style),
        scripts=[Markup(script) for script in scripts],
        script_sources=" ".join(_source_hash(script) for script in scripts) or "'none'",
        **values,
    )


def script_json(value: Any) -> Markup:
    """JSON that can stand inside a script element: nothing in it can end the element or start another."""
    text = msgspec.json.encode(value).decode()
    for character in "<>&\u2028\u2029":
        text = text.replace(character, f"\\u{ord(character):04x}")
    return Markup(text)


def asset(name: str) -> str:
    """A file that lies beside this one."""
    return files("counterform.report").joinpath(name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
