r"""Cuts free text into steps: sentences, lines, numbered steps, displayed equations, thinking, tool calls.

    1. Add 5. Done                          two steps: the number stays with what follows
    <think>7 + 5 = 12.</think> So 12.       two steps: the tags of thinking and answers are cuts, and in no step
    So \[ 7 + 5                             one step: a displayed equation is never cut, up to its end or a blank line
       = 12 \]
    There are 5! ways. n! of them           two steps: after a factorial only a capital letter begins a new one
    <tool_call>{"name": ...}</tool_call>    one step, tags included; so is a <tool_response>

Every character but space and those tags is in exactly one step, so nothing hides between steps; what imitates a tag
without being one is text like any other. A step ends where its end is certain whatever follows, so a growing text is cut
as the finished one will be.
"""

from __future__ import annotations

import re
from typing import NamedTuple

MAX_STEP = 2_000
"""Characters; a longer step is cut."""
MAX_STEPS = 256
"""Steps of one finished attempt; the last one takes all that is left."""

_ABBREVIATIONS = r"(?<!\b(?:Dr|Mr|Ms|St|Eq|vs|cf|oz|lb|ft)\.)(?<!\b(?:Mrs|Fig|etc|e\.g|i\.e|p\.m|a\.m)\.)(?<!\bProf\.)(?<!\bapprox\.)"
_FACTORIAL = r"(?:(?<![\w)}]!)|(?<=[a-zA-Z]{2}!)|(?=\s{1,6}(?:[A-Z\"'#“‘]|\*\*|[^\W\d_a-z])))"
"""After 5! and n! a sentence ends only where the next one begins with a capital letter."""
_CLOSERS = r"[*_\"')\]”’」』）]"
_CUTS = ("<think>", "</think>", "<thinking>", "</thinking>", "<answer>", "</answer>")
_BLOCKS = {"<tool_call>": "</tool_call>", "<tool_response>": "</tool_response>"}
_MATH = ("\\[", "$$", "\\begin{")
_TAGS = (*_CUTS, *_BLOCKS, *_BLOCKS.values())
_SIGNS = "<\\$"
"""The first characters of tags and of displayed equations."""
_LOOK = 24
"""Characters past a step that may have to be seen to know its end; longer than any tag."""
_CONTEXT = 16
"""Characters before a step that a pattern may look back at; longer than any abbreviation."""

_CHUNK = 1 << 16
"""Characters of a finished text that are cut at once."""

_SPACE = re.compile(r"\s*")
_CUT = re.compile("|".join((*_CUTS, *_BLOCKS.values())))
_BLOCK = re.compile("|".join(_BLOCKS))
_NUMBER = re.compile(r"[#>*\-]{0,4}[^\S\r\n]?\**(?:[Ss]tep )?\d{1,2}\.\**[^\S\r\n]+")
"""What numbers a step at the start of a line."""
_END = re.compile(
    r"[\r\n<.!?。！？](?:(?<=[\r\n])"  # all begin with one of few characters, or the search is several times slower
    rf"|(?<=<)(?:{'|'.join(tag[1:] for tag in _TAGS)})"
    rf"|(?<=[.!?])(?<! \?)(?<!\\!)(?={_CLOSERS}{{0,3}}\s){_ABBREVIATIONS}{_FACTORIAL}{_CLOSERS}{{0,3}}"
    rf"|(?<=[。！？]){_CLOSERS}{{0,3}}(?=[^。！？])(?!{_CLOSERS}))"
)
_MATH_BEGIN = re.compile(r"\\\[|\\begin\{")
_MATH_END = re.compile(r"\\\]|\$\$|\\end\{|(?=\n[ \t\r]*\n)")


class Step(NamedTuple):
    """One step of a text, without space around it, and where it stands, as character offsets."""

    text: str
    start: int
    end: int


class Splitter:
    """Cuts a growing text: fed in chunks, it yields each step once its end is certain; however it is chunked, the same.

    Holds one unfinished step, at most a little more than MAX_STEP characters.
    """

    def __init__(self) -> None:
        self._text, self._at, self._before = "", 0, 0
        self._fresh = True

    def feed(self, chunk: str) -> list[Step]:
        """The steps that this chunk finishes."""
        self._text += chunk
        return self._cut(final=False)

    def close(self) -> list[Step]:
        """The steps that the end of the text finishes; there is at most one, unless the text ends in tags."""
        return self._cut(final=True)

    def _cut(self, final: bool) -> list[Step]:
        found = []
        while self._find_start(final):
            end = self._find_end(final)
            if end is None:
                break
            bare = self._text[self._at : end].rstrip()
            start = self._before + self._at
            found.append(Step(bare, start, start + len(bare)))
            self._at, self._fresh = end, False
        gone = max(0, self._at - _CONTEXT)
        self._text, self._at, self._before = self._text[gone:], self._at - gone, self._before + gone
        return found

    def _find_start(self, final: bool) -> bool:
        """Passes over space and the tags that are cuts; whether a step begins, and it is known how."""
        text = self._text
        while True:
            space = _SPACE.match(text, self._at)
            assert space is not None
            # At the start of a line, and of what a tag opens, a number may stand.
            self._fresh = self._fresh or "\n" in space[0] or "\r" in space[0]
            self._at = space.end()
            if self._at == len(text):
                return False
            if text[self._at] not in _SIGNS:
                return True
            tag = _CUT.match(text, self._at)
            if not tag:
                rest = text[self._at : self._at + _LOOK]
                return final or not any(sign.startswith(rest) and sign != rest for sign in (*_TAGS, *_MATH))
            self._at, self._fresh = tag.end(), True

    def _find_end(self, final: bool) -> int | None:
        """Where the step that begins at `_at` ends; None: nobody knows yet."""
        text, at = self._text, self._at
        most, seen = at + MAX_STEP, at + MAX_STEP + _LOOK
        end = self._end_within(text, at, seen)
        if end is not None and end <= most:
            return end
        if len(text) >= seen:
            return most
        return min(len(text), most) if final else None

    def _end_within(self, text: str, at: int, seen: int) -> int | None:
        if block := _BLOCK.match(text, at):
            closed = _BLOCKS[block[0]]
            end = text.find(closed, at, seen)
            return end + len(closed) if end >= 0 else None
        after = at + 1
        if self._fresh and text.startswith(_MATH, at):
            math = _MATH_END.search(text, at + 2, seen)
            if not math:
                return None
            if math.start() == math.end():
                return math.start()
            after = math.end()
        elif self._fresh and (number := _NUMBER.match(text, at)):
            after = number.end()
        found = _END.search(text, after, seen)
        while opened := _MATH_BEGIN.search(text, after, found.start() if found else seen):
            math = _MATH_END.search(text, opened.end(), seen)
            if not math or math.start() == math.end():
                return math.start() if math else None
            after = math.end()
            found = _END.search(text, after, seen)
        if not found:
            return None
        return found.start() if found[0][0] in "\r\n<" else found.end()


def split_steps(text: str) -> list[tuple[int, int]]:
    """The steps of a finished text as character offsets, in order; past MAX_STEPS the last one takes all that is left."""
    splitter, spans = Splitter(), list[tuple[int, int]]()
    for at in range(0, len(text), _CHUNK):
        spans += [(start, end) for _, start, end in splitter.feed(text[at : at + _CHUNK])]
        if len(spans) > MAX_STEPS:
            break
    else:
        spans += [(start, end) for _, start, end in splitter.close()]
    if len(spans) > MAX_STEPS:
        spans[MAX_STEPS - 1 :] = [(spans[MAX_STEPS - 1][0], len(text.rstrip()))]
    return spans
