"""The generated reference is whole: every key, part, command, option and public name stands in it."""

import sys
from pathlib import Path

import msgspec
import pytest

import counterform
from counterform.parts import PARTS
from counterform.study import Study

TOOLS = Path(__file__).parents[2] / "tools"


@pytest.fixture(scope="module")
def reference():
    sys.path.insert(0, str(TOOLS))
    import reference

    yield reference
    sys.path.remove(str(TOOLS))


def test_every_key_of_a_study_file_has_a_row_with_a_meaning(reference):
    page = reference.study_file()
    for struct in {Study, *reference.tables().values()}:
        for field in msgspec.structs.fields(struct):
            rows = [line for line in page.splitlines() if line.startswith(f"| `{field.name}` |")]
            assert rows, (struct, field.name)
            assert all(row.count(" | ") == 3 and len(row.rpartition(" | ")[2]) > 8 for row in rows), rows


def test_tables_within_tables_are_found(reference):
    assert {
        "[model]",
        "[model.engine]",
        "[attempts.model]",
        "[[attempts.responses]]",
        "[[arms]]",
        "[decide]",
        "[run]",
    } <= set(reference.tables())


def test_types_and_defaults_are_those_of_the_structs(reference):
    page = reference.study_file()
    assert "| `samples` | integer ≥ 1 | `4` | Attempts at each training problem. |" in page
    assert '| `executor` | `"local"` or `"ray"` or `"slurm"` | `"local"` |' in page
    assert "| `name` | name (letters, digits, `.`, `_`, `-`) | required |" in page


def test_a_key_without_a_meaning_is_noticed(reference, monkeypatch):
    monkeypatch.setattr(reference, "docstrings", lambda struct: {})
    with pytest.raises(KeyError):
        reference.study_file()


def test_every_part_has_a_row_with_a_meaning(reference):
    page = reference.parts()
    for names in PARTS.values():
        for name in names:
            assert any(
                line.startswith(f"| `{name}` | ") and not line.startswith(f"| `{name}` |  |")
                for line in page.splitlines()
            ), name
    assert "`share_wrong = 0.5`" in page


def test_every_command_and_option_stands_there(reference):
    page = reference.command_line()
    commands = reference.commands()
    assert {"run", "init", "guard draft", "world build"} <= set(commands)
    for name, command in commands.items():
        own = page.partition(f"\n## counterform {name}\n")[2].partition("\n## ")[0]
        assert command.help
        for parameter in command.params:
            if parameter.name != "help":
                assert (
                    parameter.opts[0] if parameter.opts[0].startswith("-") else parameter.name.upper()
                ) in own.replace("`", "") or (parameter.metavar or "?") in own
                assert parameter.help, (name, parameter.name)


def test_no_help_text_holds_what_rich_reads_as_markup(reference):
    """`[run]` would vanish from the terminal."""
    helps = [
        parameter.help or ""
        for command in reference.commands().values()
        for parameter in command.params
        if parameter.name != "help"
    ]
    assert not [text for text in helps if "[" in text]


def test_every_public_name_stands_there_with_its_docstring(reference):
    page = reference.package()
    for name in set(counterform.__all__) - {"__version__"}:
        own = page.partition(f"\n## {name}\n")[2].partition("\n## ")[0]
        assert len(own.rpartition("```")[2].strip()) > 20, name
