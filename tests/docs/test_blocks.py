"""Every block of code in the documents is one that works: commands parse, study files load, Python compiles and finds what it imports."""

import ast
import json
import re
import shlex
import tomllib
from importlib import import_module
from importlib.util import find_spec
from pathlib import Path
from typing import NamedTuple

import pytest
import typer.main
from typer.core import TyperGroup

from counterform.cli import app
from counterform.study import load_study

ROOT = Path(__file__).parents[2]
PAGES = [*sorted(ROOT.glob("*.md")), *sorted((ROOT / "docs").rglob("*.md"))]
LANGUAGES = {"", "json", "python", "sh", "text", "toml"}
NEEDS_AN_EXTRA = ("datasets", "peft", "torch", "transformers", "trl")
"""Libraries that take seconds to import: it is looked whether they are there, and what our own modules offer of them."""


class Block(NamedTuple):
    page: str
    line: int
    language: str
    text: str


def blocks_of(path):
    text = path.read_text(encoding="utf-8")
    for found in re.finditer(r"^( *)```(\w*)[^\n]*\n(.*?)^\1```$", text, re.MULTILINE | re.DOTALL):
        line = text.count("\n", 0, found.start()) + 1
        inner = re.sub(rf"^{found[1]}", "", found[3], flags=re.MULTILINE)
        yield Block(str(path.relative_to(ROOT)), line, found[2], inner)


BLOCKS = [block for path in PAGES for block in blocks_of(path)]


def blocks(*languages):
    chosen = [block for block in BLOCKS if block.language in languages]
    return pytest.mark.parametrize("block", chosen, ids=[f"{block.page}:{block.line}" for block in chosen])


def test_every_block_is_of_a_language_that_is_tested():
    assert {block.language for block in BLOCKS} == LANGUAGES
    assert len(BLOCKS) > 100


@blocks("json")
def test_json(block):
    json.loads(block.text)


@blocks("toml")
def test_a_study_file(block, tmp_path):
    """A part of one is a whole one with a name; arms that its contrasts name are there."""
    text = block.text if "name" in tomllib.loads(block.text) else f'name = "shown"\n{block.text}'
    (tmp_path / "study.toml").write_text(text, encoding="utf-8")
    load_study(tmp_path / "study.toml", data=tmp_path)


@blocks("python")
def test_python_compiles_and_finds_what_it_imports(block):
    for node in ast.walk(ast.parse(block.text, block.page)):
        if isinstance(node, ast.Import):
            assert all(find_spec(alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            imported(node.module, [alias.name for alias in node.names])
        elif isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name) and node.value.id == "counterform":
            imported("counterform", [node.attr])


def imported(module, names):
    """Raises AssertionError for what is not there. What needs a slow library is looked up, and not imported."""
    top = module.partition(".")[0]
    if top in NEEDS_AN_EXTRA or (top != "counterform" and find_spec(top) is not None):
        return
    if top != "counterform":  # a module that the page itself shows
        assert any(f"{top}.py" in block.text or f"`{top}" in (ROOT / block.page).read_text() for block in BLOCKS), (
            module
        )
        return
    for name in names:
        spec = find_spec(f"{module}.{name}") if find_spec(module).submodule_search_locations else None
        assert spec or name in offered(module), f"{module} has no {name}"


def offered(module):
    found = find_spec(module)
    tree = ast.parse(Path(found.origin).read_text(encoding="utf-8"))
    if not any(
        name in ast.unparse(node) for node in tree.body if isinstance(node, ast.With) for name in NEEDS_AN_EXTRA
    ):
        loaded = import_module(module)
        return {*dir(loaded), *getattr(loaded, "__all__", ())}
    made = {node.name for node in ast.walk(tree) if isinstance(node, ast.ClassDef | ast.FunctionDef)}
    return made | {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Store)}


def commands_of(block):
    """Its calls of `counterform` and `make`, one line each; continued lines are joined, and what goes through a pipe is cut."""
    for line in block.text.replace("\\\n", " ").splitlines():
        shown = re.match(r" *(?:\$ )?((?:counterform|make|pip) .*|counterform)$", line)
        if shown and (block.language == "sh" or line.lstrip().startswith("$")):
            yield from re.split(r" (?:\||&&|>|;) ", re.sub(r"\s+#.*", "", shown[1]))


COMMANDS = [(block, line) for block in BLOCKS if block.language in ("sh", "text", "") for line in commands_of(block)]


@pytest.mark.parametrize(
    ("block", "line"), COMMANDS, ids=[f"{block.page}:{block.line}: {line[:40]}" for block, line in COMMANDS]
)
def test_a_command(block, line):
    program, *words = shlex.split(line)
    if program == "make":
        targets = re.findall(r"^([\w-]+):", (ROOT / "Makefile").read_text(), re.MULTILINE)
        assert words[0] in targets
    elif program == "pip":
        assert words[0] in ("install", "uninstall")
    elif program == "counterform":
        parsed(typer.main.get_command(app), [word for word in words if word != "..."])


def parsed(command, words):
    """Raises a usage error for an option that there is not, a value that is none, an argument too much."""
    context = command.make_context("counterform", list(words), resilient_parsing=not words)
    if isinstance(command, TyperGroup) and words:
        name, inner, rest = command.resolve_command(context, [*context._protected_args, *context.args])
        assert inner is not None, name
        parsed(inner, rest)


def test_a_wrong_command_is_noticed():
    for words in (
        ["runn"],
        ["run", "--wokers", "3"],
        ["run", "--workers", "many"],
        ["guard", "chek", "x"],
        ["show", "one"],
    ):
        with pytest.raises((Exception, SystemExit)):
            parsed(typer.main.get_command(app), words)


def test_the_script_of_roc_in_trl_is_the_example():
    shown = next(block.text for block in BLOCKS if block.page == "docs/roc-in-trl.md")
    assert shown == (ROOT / "examples" / "roc_in_trl.py").read_text(encoding="utf-8")
