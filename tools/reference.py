"""The pages of the reference, out of the source: the study file's tables, the parts it can name, the command line, the package's names.

No line of them is typed twice: keys, types, defaults and meanings are those of the structs, options those of `--help`, signatures and
docstrings those of the code. `PAGES` has them all; tools/site.py puts them into the site.
"""

from __future__ import annotations

import ast
import inspect
import json
import re
from collections.abc import Callable, Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import msgspec
import typer.main
from msgspec import NODEFAULT, Struct
from msgspec.inspect import Field, type_info
from typer.core import TyperArgument, TyperCommand, TyperGroup, TyperOption

import counterform
from counterform import specs
from counterform.cli import app
from counterform.parts import BASES, PARTS, part
from counterform.study import Study

Tree = dict[str, type[Struct]]
TAKES_OPTIONS = ("family", "arm", "critic", "penalty")
"""Kinds of parts whose options stand in a study file, beside the name."""


def study_file() -> str:
    """Every table and key that a study file may have."""
    lines = [
        "# The study file",
        "Generated from the structs that read it (`counterform.study`, `counterform.specs`). A key that is left out has its default; a key that "
        "nobody knows is refused with the nearest one. Any of them can be set on the command line: `--set probe.samples=8`. Names of files are "
        "taken from the study file's own folder.",
        *_table("", Study),
    ]
    for path, struct in tables().items():
        lines += [f"## `{path}`", _prose(struct.__doc__), *_table(path, struct)]
    return _page(lines)


def tables() -> Tree:
    """Each table of a study file by its path."""
    return dict(_tables_in(Study, ""))


def _tables_in(struct: type[Struct], path: str) -> Iterator[tuple[str, type[Struct]]]:
    for field in type_info(struct).fields:
        for inner, several in _structs(field.type):
            name = f"{path}{field.name}"
            yield (f"[[{name}]]" if several else f"[{name}]"), inner
            if inner is not specs.ModelSpec or path == "":
                yield from _tables_in(inner, f"{name}.")


def _structs(kind: Any, several: bool = False) -> Iterator[tuple[type[Struct], bool]]:
    if isinstance(kind, msgspec.inspect.StructType):
        yield kind.cls, several
    for inner in getattr(kind, "types", ()):
        yield from _structs(inner, several)
    if isinstance(kind, msgspec.inspect.VarTupleType):
        yield from _structs(kind.item_type, True)


def _table(path: str, struct: type[Struct]) -> list[str]:
    """A row for each key. Raises KeyError for one without a docstring."""
    meanings = docstrings(struct)
    rows = ["| Key | Type | Default | What it says |", "| --- | --- | --- | --- |"]
    for field in type_info(struct).fields:
        inner = [table for table, _ in _structs(field.type)]
        means = meanings.get(field.name) or (_prose(inner[0].__doc__) if inner else meanings[field.name])
        rows.append(f"| `{field.name}` | {_cell(kind_of(field.type))} | {_cell(_default(field))} | {_cell(means)} |")
    return ["\n".join(rows)]


def docstrings(struct: type[Struct]) -> dict[str, str]:
    """What stands under each field of a struct, its bases' too."""
    found: dict[str, str] = {}
    for cls in reversed(struct.__mro__):
        if cls.__module__.partition(".")[0] == "counterform":
            [body] = [
                node.body
                for node in _tree(cls.__module__).body
                if isinstance(node, ast.ClassDef) and node.name == cls.__name__
            ]
            for line, below in pairwise(body):
                if isinstance(line, ast.AnnAssign) and isinstance(line.target, ast.Name) and (text := _text(below)):
                    found[line.target.id] = _prose(text)
    return found


def kind_of(kind: Any) -> str:
    """A type in words."""
    names = {
        "StrType": "text",
        "BoolType": "true or false",
        "AnyType": "anything",
        "NoneType": "nothing",
        "StructType": "table",
    }
    match kind:
        case msgspec.inspect.IntType() | msgspec.inspect.FloatType():
            bounds = {"≥": kind.ge, ">": kind.gt, "≤": kind.le, "<": kind.lt}
            said = " and ".join(f"{sign} {bound:,}" for sign, bound in bounds.items() if bound is not None)
            return f"{'integer' if isinstance(kind, msgspec.inspect.IntType) else 'number'} {said}".strip()
        case msgspec.inspect.StrType() if kind.pattern:
            return "name (letters, digits, `.`, `_`, `-`)"
        case msgspec.inspect.LiteralType():
            return " or ".join(f'`"{value}"`' for value in kind.values)
        case msgspec.inspect.VarTupleType():
            return f"list of {kind_of(kind.item_type)}"
        case msgspec.inspect.TupleType():
            return f"[{', '.join(map(kind_of, kind.item_types))}]"
        case msgspec.inspect.DictType():
            return (
                "table of options"
                if isinstance(kind.value_type, msgspec.inspect.AnyType)
                else f"table: {kind_of(kind.key_type)} = {kind_of(kind.value_type)}"
            )
        case msgspec.inspect.UnionType():
            return " or ".join(word for word in map(kind_of, kind.types) if word != "nothing")
    return names[type(kind).__name__]


def _default(field: Field) -> str:
    if field.required:
        return "required"
    value = field.default if field.default is not NODEFAULT else field.default_factory()
    plain = msgspec.to_builtins(value)
    if isinstance(value, Struct) or value in (None, {}):
        return ""
    return f"`{json.dumps(plain, ensure_ascii=False)}`"


def parts() -> str:
    """Every part that a study file can name by a short name."""
    lines = [
        "# Parts",
        "What a study file can name, by kind. Each name is short for a class; `module:object` names your own, a subclass of what stands below the "
        "heading.",
    ]
    for kind, names in PARTS.items():
        head = ["Name", "What it is", *(["Options"] if kind in TAKES_OPTIONS else [])]
        rows = [f"| {' | '.join(head)} |", f"|{' --- |' * len(head)}"]
        for name, target in names.items():
            module, _, attribute = target.partition(":")
            node = _class(module, attribute)
            text = ast.get_docstring(_tree(module)) if kind == "family" else ast.get_docstring(node)
            cells = [
                f"`{name}`",
                _first_sentence(text or ""),
                ", ".join(f"`{one}`" for one in _options(kind, name)) if kind in TAKES_OPTIONS else "",
            ]
            rows.append(f"| {' | '.join(map(_cell, cells[: len(head)]))} |")
        lines += [f"## {kind.capitalize()}", f"`{BASES[kind]}`", "\n".join(rows)]
    return _page(lines)


def _first_sentence(text: str) -> str:
    return re.split(r"(?<=\.)\s+(?=[A-Z`])|\n\n", text)[0].replace("\n", " ").rstrip(".")


def _options(kind: str, name: str) -> list[str]:
    """The options of a part that a study file may give, with their defaults."""
    given = inspect.signature(part(kind, name)).parameters.values()
    own = [option for option in given if option.kind is option.KEYWORD_ONLY and option.name not in ("bench", "seconds")]
    return [
        option.name if option.default in (option.empty, None) else f"{option.name} = {option.default!r}"
        for option in own
    ]


def command_line() -> str:
    """Every command with its arguments and options, as `--help` has them."""
    lines = [
        "# The command line",
        "Generated from `--help`. Whatever a user can mend is one message on standard error, and exit code 2. Exit code 130: interrupted; the "
        "same command goes on.",
    ]
    for name, command in commands().items():
        context = command.context_class(command, info_name=f"counterform {name}")
        rows = ["| | What it is | Default |", "| --- | --- | --- |"]
        for parameter in command.params:
            if isinstance(parameter, TyperArgument):
                rows.append(
                    _row(parameter.metavar or (parameter.name or "").upper(), parameter.help, parameter.default)
                )
            elif isinstance(parameter, TyperOption):
                rows.append(_row(", ".join(parameter.opts), parameter.help, parameter.default))
        lines += [f"## counterform {name}", _prose(command.help), f"```text\n{command.get_usage(context)}\n```"]
        lines += ["\n".join(rows)] if len(rows) > 2 else []
    return _page(lines)


def commands() -> dict[str, TyperCommand]:
    """Every command that does something, by its name behind `counterform`."""

    def within(group: TyperGroup, before: str) -> Iterator[tuple[str, TyperCommand]]:
        for name, command in group.commands.items():
            if isinstance(command, TyperGroup):
                yield from within(command, f"{before}{name} ")
            elif isinstance(command, TyperCommand):
                yield before + name, command

    group = typer.main.get_command(app)
    assert isinstance(group, TyperGroup)
    return dict(within(group, ""))


def _row(name: str, means: str | None, default: object) -> str:
    told = "" if default is None or default is False or default == "" else f"`{default}`"
    return f"| `{_cell(name)}` | {_cell(means or '')} | {_cell(told)} |"


def package() -> str:
    """The names that `import counterform` gives, with signatures and docstrings."""
    lines = [
        "# The package",
        "What `import counterform` gives. Every name is imported when it is asked for; what needs an extra says which (`MissingExtra`).",
    ]
    for name, module in sorted(counterform._HOME.items(), key=lambda item: item[0].casefold()):
        home, node = _found(module, name)
        text = inspect.cleandoc(_text(node.body[0]) or "")
        lines += [f"## {name}", f"```python\n{_signature(home, node)}\n```", text]
        if isinstance(node, ast.ClassDef):
            for method in _methods(node):
                lines += [f"`{method.name}{_arguments(method)}`: {_prose(_text(method.body[0]) or '')}"]
    return _page(lines)


def _signature(home: str, node: ast.ClassDef | ast.FunctionDef) -> str:
    if isinstance(node, ast.FunctionDef):
        return f"from {home} import {node.name}\n\n{node.name}{_arguments(node)}"
    made = next((line for line in node.body if isinstance(line, ast.FunctionDef) and line.name == "__init__"), None)
    fields = [ast.unparse(line) for line in node.body if isinstance(line, ast.AnnAssign)]
    shown = (
        _arguments(made).removesuffix(" -> None") if made else "\n".join(["", *(f"    {field}" for field in fields)])
    )
    return f"from {home} import {node.name}\n\n{node.name}{shown}"


def _arguments(node: ast.FunctionDef) -> str:
    arguments = re.sub(r"^(self|cls)(, )?", "", ast.unparse(node.args))
    return f"({arguments}) -> {ast.unparse(node.returns)}" if node.returns else f"({arguments})"


def _methods(node: ast.ClassDef) -> list[ast.FunctionDef]:
    return [
        line
        for line in node.body
        if isinstance(line, ast.FunctionDef) and not line.name.startswith("_") and _text(line.body[0])
    ]


def _found(module: str, name: str) -> tuple[str, ast.ClassDef | ast.FunctionDef]:
    """Where a name is made, following imports, and how."""
    for node in _tree(module).body:
        if isinstance(node, ast.ClassDef | ast.FunctionDef) and node.name == name:
            return module, node
    return _found(_home(module, name), name)


def _class(module: str, name: str) -> ast.ClassDef:
    _, node = _found(module, name)
    assert isinstance(node, ast.ClassDef), name
    return node


def _home(module: str, name: str) -> str:
    """The module of ours that another one has a name from; itself where the name is made there, empty for a name of somebody else."""
    for node in ast.walk(_tree(module)):
        if isinstance(node, ast.ClassDef) and node.name == name:
            return module
        if isinstance(node, ast.ImportFrom) and name in {alias.name for alias in node.names}:
            return node.module if node.module and node.module.startswith("counterform") else ""
    return ""


def _tree(module: str) -> ast.Module:
    path = Path(counterform.__file__).parent.joinpath(*module.split(".")[1:])
    return ast.parse((path / "__init__.py" if path.is_dir() else path.with_suffix(".py")).read_text(encoding="utf-8"))


def _text(node: ast.stmt) -> str:
    if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant) and isinstance(node.value.value, str):
        return node.value.value
    return ""


def _prose(text: str | None) -> str:
    return " ".join((text or "").split())


def _cell(text: str) -> str:
    return text.replace("|", "\\|").replace("\n", " ")


def _page(lines: list[str]) -> str:
    return "\n\n".join(line for line in lines if line) + "\n"


PAGES: dict[str, Callable[[], str]] = {
    "reference/study-file.md": study_file,
    "reference/parts.md": parts,
    "reference/command-line.md": command_line,
    "reference/package.md": package,
}
"""By their place in the site."""
