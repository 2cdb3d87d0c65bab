"""Anybody's text on a terminal. The kind: no character that is no writing reaches it, wherever in what is printed it stood."""

import io
import json
import re
import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st
from rich.columns import Columns
from rich.panel import Panel
from rich.table import Table
from rich.text import Text

from counterform.report.terminal import Terminal
from counterform.text.plain import LONGEST, plain, plain_json, plain_line

HARMLESS = frozenset("LMNPS")
"""First letters of the Unicode categories of letters, marks, numbers, punctuation and symbols."""
ANYTHING = st.text(st.characters(categories=None), max_size=60)  # surrogates too
DRIVING = [
    "\x1b[31mred",
    "\x1b]0;title\x07",
    "\x1b]8;;http://x\x1b\\link\x1b]8;;\x1b\\",
    "\x9b2J",
    "over\rwritten",
    "\b\b\bgone",
    "‮txt.exe",
    "⁦isolated⁩",
    "soft\u00adhyphen\u200bzero\ufeffwidth",
    "a\u2028b\u2029c",
    "\U000e0041tag",
    "\x00\x7f\x85",
    "\ud800lone",
]


def drives(text):
    return [
        c for c in text if not (unicodedata.category(c)[0] in HARMLESS or unicodedata.category(c) == "Zs" or c == "\n")
    ]


@pytest.mark.parametrize("text", DRIVING)
def test_what_would_drive_a_terminal_is_spelled_out(text):
    assert drives(text)
    for shown in (plain(text), plain_line(text), plain_json(text)):
        assert not drives(shown)
        shown.encode()  # no lone surrogate: it can be printed
    assert "⟨U+" in plain(text)


@given(ANYTHING)
def test_nothing_but_writing_is_left_and_writing_stays_as_it_is(text):
    assert not drives(plain(text))
    assert plain(plain(text)) == plain(text)
    assert drives(text) or plain(text) == text
    assert "\n" not in plain_line(text)


@given(st.recursive(ANYTHING, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(ANYTHING, inner, max_size=3)))
def test_json_says_the_same_to_whoever_reads_it(value):
    text = json.dumps(value, ensure_ascii=False)
    assert json.loads(plain_json(text)) == json.loads(text)
    assert not drives(plain_json(text))


def test_the_writing_of_the_world_is_left_alone():
    text = "naïve 北京　大学 שלום مرحبا हिन्दी −11.8 ◆ ✓ 1 000\xa0€ 🙂"
    assert plain(text) == text


def test_a_text_without_end_is_cut_and_says_so():
    assert plain("x" * (LONGEST + 1_234)) == "x" * LONGEST + " [1,234 more characters]"
    assert plain("x" * LONGEST) == "x" * LONGEST


def printed(*renderables):
    console = Terminal(file=io.StringIO(), width=70, force_terminal=True, color_system="truecolor")
    for renderable in renderables:
        console.print(renderable)
    return console.file.getvalue()


def in_every_place(text):
    table = Table(text, title=text, caption=text)
    table.add_row(text)
    table.add_row(Text(text, style="bold"))
    return [text, Text(text), Text.assemble((text, "red"), text), table, Panel(text), Columns([text])]


def styles_alone(shown):
    """What is printed without the styles that rich itself put there, which are all of one form."""
    return re.sub(r"\x1b\[[0-9;]*m", "", shown)


@pytest.mark.parametrize("text", DRIVING)
def test_a_console_shows_no_control_character_wherever_it_stands(text):
    for renderable in in_every_place(text):
        shown = printed(renderable)
        assert not drives(styles_alone(shown)), renderable


@given(ANYTHING)
def test_whatever_is_printed_drives_nothing(text):
    assert not drives(styles_alone(printed(*in_every_place(text))))


@pytest.mark.parametrize("text", ["[bold]x[/bold]", "[red]", "[/]", "[link=http://x]y[/link]", ":smile:", "[[x]"])
def test_markup_is_text(text):
    for renderable in in_every_place(text):
        assert text in styles_alone(printed(renderable))
