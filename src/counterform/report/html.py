"""What every self-contained HTML page is made of; it asks the network for nothing.

Completions are hostile text. Three walls stand between them and the reader's browser: the data is packed in a block that is never
run and holds no markup, the script writes it with `textContent` only, and the page's Content-Security-Policy lets exactly its own
scripts run, by their hashes. What a template writes is escaped.
"""

from __future__ import annotations

import base64
import functools
import gzip
import hashlib
import re
from collections.abc import Sequence
from importlib.resources import files
from typing import Any

import jinja2
import msgspec
from markupsafe import Markup

from counterform.report import labels, tables
from counterform.text import numbers
from counterform.text.plain import plain


def html(
    template: str, *, name: str, scripts: Sequence[str] = (), library: str = "", style: str = "", **values: Any
) -> str:
    """A page: its template filled with these values, under the common layout.

    name: what the page is about. library: a long script, which the page holds packed in `library` and runs once it is shown. style: CSS
    behind the common one.
    """
    environment = jinja2.Environment(
        loader=jinja2.FunctionLoader(asset),
        autoescape=True,
        trim_blocks=True,
        lstrip_blocks=True,
        undefined=jinja2.StrictUndefined,
    )
    environment.globals.update(labels=labels, numbers=numbers, tables=tables)
    environment.filters["plain"] = plain
    environment.filters["unbroken"] = unbroken
    environment.tests["kind"] = lambda block, name: type(block).__name__ == name
    return environment.get_template(template).render(
        name=name,
        css=Markup(asset("page.css") + style),
        scripts=[Markup(script) for script in scripts],
        script_sources=" ".join(_source_hash(script) for script in (*scripts, *filter(None, [library]))) or "'none'",
        library=_library(library),
        **values,
    )


def unbroken(text: str) -> str:
    """The same with intervals that no line break parts."""
    return re.sub(r"\[[^\[\]]{1,40}\]", lambda interval: interval[0].replace(" ", "\u00a0"), text)


def packed(content: bytes) -> Markup:
    """Bytes as text that can stand inside a script element: compressed, in base64. text.js has the way back."""
    return Markup(base64.b64encode(gzip.compress(content, mtime=0)).decode())


@functools.cache
def _library(script: str) -> Markup:
    """Packed once, however many pages hold it."""
    return packed(script.encode())


def packed_json(value: Any) -> Markup:
    """A value as packed JSON."""
    return packed(msgspec.json.encode(value))


def asset(name: str) -> str:
    """A file that lies beside this one."""
    return files("counterform.report").joinpath(name).read_text(encoding="utf-8")


def _source_hash(script: str) -> str:
    return f"'sha256-{base64.b64encode(hashlib.sha256(script.encode()).digest()).decode()}'"
