"""Anybody's text as a terminal may show it: what would drive the terminal, or turn the line around, is spelled out."""

from __future__ import annotations

from unicodedata import category

LONGEST = 20_000
"""Characters that are shown of one text."""


def plain(text: str) -> str:
    """The text with each character that is no writing as ⟨U+001B⟩; line ends stay. A text that is too long says what is left out."""
    shown = "".join(c if _harmless(c) or c == "\n" else f"⟨U+{ord(c):04X}⟩" for c in text[:LONGEST])
    return shown if len(text) <= LONGEST else f"{shown} [{len(text) - LONGEST:,} more characters]"


def plain_line(text: str) -> str:
    """The same in one line, so that no text can pass for a second message."""
    return plain(" ".join(text.split("\n")))


def plain_json(text: str) -> str:
    """The same JSON with those characters as JSON's own escapes: whoever reads it gets every text as it was."""
    return "".join(c if _harmless(c) or c == "\n" else _escaped(c) for c in text)


def _escaped(character: str) -> str:
    units = character.encode("utf-16-be", "surrogatepass")
    return "".join(f"\\u{units[at] << 8 | units[at + 1]:04x}" for at in range(0, len(units), 2))


def _harmless(character: str) -> bool:
    # Control, format (bidi overrides, joiners), surrogate, private and unassigned characters and line ends are not printable; nor, for Python,
    # are spaces other than the plain one.
    return character.isprintable() or category(character) == "Zs"
