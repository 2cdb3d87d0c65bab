r"""The one reader of stated answers: what a text says its answer is, in which form, and where.

A statement is `<answer>42</answer>`, `\boxed{42}`, `#### 42`, "The answer is 42", "Answer: 42", or a line "A: 42". What
stands in `<think>...</think>`, what is only weighed ("perhaps the answer is 41", "is it 41?") and what a later sentence
takes back is no statement. Grading, self-consistency, the format penalty and token classes all read with this.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from enum import StrEnum
from typing import NamedTuple

MAX_TAIL = 20_000
"""Characters of a text that are looked at, from its end."""
MAX_ANSWER = 1_000
"""Characters that a stated answer may have; one that goes on beyond them is none."""
MAX_SHORT = 200
"""Characters of an answer where many statements of a long text are counted."""
MAX_STATEMENTS = 64
"""Statements that are looked at, from the end."""


class Form(StrEnum):
    """How an answer is stated."""

    TAGS = "tags"
    BOX = "box"
    HASHES = "hashes"
    SENTENCE = "sentence"


NO_ANSWER = "no answer is stated"
"""Why nothing is read of a text that says nothing in any form of an answer."""


class Statement(NamedTuple):
    """One stated answer, as character offsets: its form reaches from `head` to `tail`, the answer from `start` to `end`."""

    form: Form
    head: int
    start: int
    end: int
    tail: int
    closed: bool = True
    """False: the text breaks off before the form ends."""


class Stated(NamedTuple):
    """What a text says its answer is."""

    answers: tuple[str, ...] = ()
    """None: nothing is stated. Several: it states different ones and does not say which it means."""
    reason: str = ""
    """Why there is not exactly one."""
    head: int = 0
    """Where the last statement begins; 0 without one."""
    start: int = 0
    """Where its answer begins; 0 without one."""
    rest: int = 0
    """From here on nothing is stated, or taken back: where a bare answer may be looked for."""

    @property
    def answer(self) -> str | None:
        """The answer, where exactly one is stated."""
        return self.answers[0] if len(self.answers) == 1 else None


_THOUGHT = re.compile(
    r"<(?P<end>/)?(?:seed:)?(?:think|thinking|thought|reasoning|scratchpad)>|\[(?P<last>/)?THINK\]|◁(?P<close>/)?think▷"
    r"|<\|(?:begin|(?P<over>end))_of_thought\|>|<\|channel\|>(?:analysis|(?P<final>final))<\|message\|>",
    re.IGNORECASE,
)
"""A thought begins or, with one of the groups, ends: in R1's, Mistral's, Kimi's, Sky-T1's and gpt-oss's spelling."""
_TAG = re.compile(r"</?answer>", re.IGNORECASE)
_VERB = r"(?:\s{1,3}(?:is|are|was|must be|would be|should be|could be|might be|may be|cannot be|can['’]t be|isn['’]t|equals)\b(?:\s?\*{0,2}:)?|\s?\*{0,2}\s?[:=])"
_LEAD_IN = r"(?:(?:so|thus|therefore|hence),? )?(?:(?:the|my|our) )?(?:final |correct |right )?"
_HEAD = re.compile(
    r"(?P<box>\\(?:boxed|fbox)\s?(?=\{))"
    r"|(?P<tags><answer>)"
    r"|(?P<hashes>\#{4}(?!\#))"
    rf"|(?P<sentence>\b{_LEAD_IN}(?:answers?|(?<=correct )(?:option|choice)|(?<=right )(?:option|choice))\b"
    rf"(?:\s{{1,3}}(?:to|for|of)\s[^.:\n=]{{1,60}}?)?{_VERB})"
    r"|(?P<heading>^[\#*\s]{0,8}(?:final )?answer[*:\s]{0,8}$)"
    r"|(?P<line>^A:)",
    re.IGNORECASE | re.MULTILINE,
)
# Every head holds one of these. Finding them first makes the search several times faster.
_ANCHOR = re.compile(
    r"[Aa][Nn][Ss][Ww][Ee][Rr]|\\(?:boxed|fbox)|\#{4}|[Oo][Pp][Tt][Ii][Oo][Nn]|[Cc][Hh][Oo][Ii][Cc][Ee]|^A:",
    re.MULTILINE,
)
_ANCHORS = ("answer", "\\boxed", "\\fbox", "####", "option", "choice", "\na:")
_BEFORE, _AFTER = 40, 120
"""Characters that a head may have before, and after, its anchor."""
_SENTENCE_END = re.compile(
    r"(?:(?<!\bDr)(?<!\bMr)(?<!\bMrs)(?<!\bMs)(?<!\bSt)(?<!\bvs)(?<!\.[A-Za-z])[.?]|(?<![\d\\])!)(?=[*\"')\]$]{0,3}(?:\s|\Z))"
    r"|(?<=[.?!]\*\*)|\n|</?answer>|<\|",
    re.IGNORECASE,
)
_REMARK = re.compile(
    r"(?:\s*[,;(–—]|\s-)?\s*\b(?:which|because|since|whereas|in total|altogether|in all|overall|i\.e\.|as (?:required|desired|shown))\b"
    r"|(?:\s*[,;–—]|\s-)\s*(?:so|as|where|that is|meaning|therefore|thus|hence|then|making|giving|and (?:so|thus|that))\b"
    r"|\s+as\s+(?=there\b|the\b|it\b|we\b|s?he\b|they\b|\d)|;\s+(?=this\b|that\b|it\b|the\b)",
)
_WEIGHED = re.compile(
    r"(?:\b(?:if|whether|suppos\w*|assum\w*|imagin\w*|perhaps|maybe|possibly|guess\w*|unless|pretend\w*|claim\w*|says?"
    r"|said|doubt\w*|could|might|thought|thinks|unlikely|wrong|false)\b|n['o]t (?:think|believe|mean|sure)|\bnot that)"
    r"[^,;:.?!\n]{0,40}$",
    re.IGNORECASE,
)
_WEIGHED_BOX = re.compile(
    r"\b(?:perhaps|maybe|possibly|could (?:it )?be|might be|guess|what if|is it)\b[^.;!?\n]{0,30}$"
    r"|\b(?:not|cannot be|can['’]t be|isn['’]t|rather than|instead of|no longer)\W{0,5}$",
    re.IGNORECASE,
)
_NEGATED = re.compile(
    r"\W{0,3}(?:perhaps|maybe|possibly|(?:\w+ly )?not|never|neither|no longer|anything but|unlikely|unknown|unclear)\b",
    re.IGNORECASE,
)
_ABOUT_ITSELF = re.compile(r"(?:this|that|whose|your|his|her|their|an|any|each|every|which|previous)\s+$", re.I)
_NO_ANSWER = re.compile(r"\b(?:wrong|incorrect|false|invalid|possible|plausible|tempting|likely|tentative)\s+$", re.I)
_UNSURE = re.compile(r"\b(?:could|might|may|cannot|can['’]t) be\b|\bisn['’]t\b", re.IGNORECASE)
_COMMENT = re.compile(
    r"\W{0,3}(?:correct|right|wrong|incorrect|final|based|reasonable|consistent|valid|verified|confirmed|plausible|as follows"
    r"|obtained|derived|supported|explained|in (?:simplest|lowest|reduced)|already|indeed|therefore correct|clear\b(?! )"
    r"|given (?:by|in)|found (?:by|in)|boxed|below|above|expressed|rounded)\b",
    re.IGNORECASE,
)
_TAKEN_BACK = re.compile(
    r"(?:(?:\A|[.!?;\n>}]|--|—)\W{0,4}(?:but )?(?:wait\b|no[,:.!—-]|nope\b|hm+\b|oops|sorry|scratch that|correction|edit:|actually"
    r"|on second thought|(?:let me|let's|i (?:should|must|need to)) (?:reconsider|re-?think|redo|re-?do|recompute|recalculate"
    r"|try again|start over|correct)))"
    r"|\b(?:that|this|it|which|the answer|my answer)(?: is|['’]s| was| must be| seems| cannot be| can['’]?t be| isn['’]t| wasn['’]t"
    r")(?: \w+ly)? (?:not\b|wrong|incorrect|impossible|a mistake|an error|right\?|false)"
    r"|\b(?:that|this|it|answer) (?:isn['’]t|can['’]?t be|cannot be|doesn['’]t (?:work|look|seem|fit))"
    r"|\bI (?:have )?(?:made|see|found|spot\w*) (?:a|an|my|the) (?:\w+ )?(?:mistake|error)",
    re.IGNORECASE,
)
_NEXT_QUESTION = re.compile(
    r"\n\s{0,8}(?:Q|Question|Problem|Input|Human|User|Exercise)(?: \d{1,4})?\s?:", re.IGNORECASE
)
_CONCLUDES = re.compile(r"\b(?:final|finally|answer|therefore|thus|hence|conclu\w+|corrected|instead)\b", re.IGNORECASE)
_JOINER = re.compile(
    r"(?:[\s,;&$]|\\[,;:! ()\[\]]|\\q?quad|\\(?:text|mbox|mathrm)\{\s*(?:and|or)\s*\}|\b(?:and|or)\b)*"
)
_NAME = re.compile(r"[A-Za-z](?:_\{?\w{1,3}\}?)?\s*=\s*")
_EDGES = " \t\r\n*`:"
_LAYOUT = re.compile(r"(?:[\s*_`:.$]|\\[\[(])*")
_BARE_EDGES = " \t\r\n.,;:!\"'`*()[]{}$“”‘’"


def stated(text: str) -> Stated:
    """What the text says its answer is, after its thoughts and after all that it takes back."""
    start, unended = _after_thought(text)
    base = max(start, len(text) - MAX_TAIL)
    region = text[base:]
    if unended >= 0:
        region = text[base : max(base, unended)]
    first = _first_anchor(region)
    events = list(statements(region, start=max(0, first - _BEFORE))) if first >= 0 else []
    if events and (question := _NEXT_QUESTION.search(region, events[0].tail)):
        region = region[: question.start()]
        events = [event for event in events if event.head < question.start()]
    if unended >= 0 and not events:
        return Stated(reason="the thought does not end", rest=len(text))
    return _final(region, events, base)


def answer_of(text: str) -> str:
    """The one answer that a text states, in its own words; empty where it states none, or several."""
    return stated(text).answer or ""


def bare(text: str) -> str:
    """What a text says in the end, so that texts with the same answer can be told: what it states, or all of it."""
    said = " ".join((answer_of(text) or text).casefold().split())
    return said.strip(_BARE_EDGES) or said


def times_stated(text: str) -> int:
    """How many times the text states an answer after its thoughts; 0 too where a tag is not closed."""
    start, unended = _after_thought(text)
    text = text[max(start, len(text) - MAX_TAIL) : unended if unended >= 0 else None]
    tags = [tag[0][1] == "/" for tag in _TAG.finditer(text)]
    if tags:
        return len(tags) // 2 if tags == [False, True] * (len(tags) // 2) else 0
    count = at = 0
    while match := _head(text, at):
        count += 1
        at = max(match.end(), _statement(text, match, MAX_SHORT).tail)  # "The answer is \\boxed{5}" states it once
    return count


def statements(text: str, most: int = MAX_ANSWER, start: int = 0) -> Iterator[Statement]:
    """Every place of the text, in order, that has the form of a statement, weighed or not; boxes within sentences too.

    most: characters of an answer; one that goes on beyond them is not closed.
    """
    at = start
    while match := _head(text, at):
        found = _statement(text, match, most)
        yield found
        at = found.tail if found.form is Form.BOX and found.closed else match.end()


def _first_anchor(text: str) -> int:
    """Where the first of the last MAX_STATEMENTS anchors stands; -1 where there is none."""
    small = text.lower()
    if len(small) == len(text) and sum(map(small.count, _ANCHORS)) <= MAX_STATEMENTS:
        found = [at for word in _ANCHORS if (at := small.find(word)) >= 0]
        return 0 if small.startswith("a:") else min(found, default=-1)
    anchors = [match.start() for match in _ANCHOR.finditer(text)]
    return anchors[-MAX_STATEMENTS:][0] if anchors else -1


def _head(text: str, at: int) -> re.Match[str] | None:
    """The next head from `at` on."""
    before = at
    while anchor := _ANCHOR.search(text, at):
        found = _HEAD.search(text, max(before, anchor.start() - _BEFORE), anchor.end() + _AFTER)
        if found:
            return found
        at = anchor.end()
    return None


def _statement(text: str, match: re.Match[str], most: int) -> Statement:
    kind = match.lastgroup
    if kind == "box":
        return _box(text, match, most)
    if kind == "tags":
        return _tags(text, match, most)
    return _rest_of_sentence(text, match, Form.HASHES if kind == "hashes" else Form.SENTENCE, most)


def bare_answer(text: str, said: Stated) -> str:
    """The last line of a text that states nothing, or what is bold in it: a bare answer, if it is one at all."""
    line = text[max(said.rest, len(text) - MAX_TAIL) :].strip().rpartition("\n")[2]
    bold = re.findall(r"\*\*([^*\n]{1,200})\*\*", line)
    return (bold[-1] if bold else line).strip(_EDGES)


def unstated_part(text: str, said: Stated) -> str:
    """The part of the text in which nothing is stated or taken back, from its end."""
    return text[max(said.rest, len(text) - MAX_TAIL) :]


def without_remark(answer: str) -> str:
    """The answer without what is only said of it: "72, which is the total", "72 because ..."."""
    for remark in _REMARK.finditer(answer):
        before = answer[: remark.start()]
        if before.strip() and before.count("{") == before.count("}") and before.count("$") % 2 == 0:
            return before.rstrip(" ,;(")
    return answer


def _after_thought(text: str) -> tuple[int, int]:
    """Where the last thought ends, and where one begins that never ends; -1 if there is none."""
    start, opened = 0, -1
    for tag in _THOUGHT.finditer(text):
        if tag.lastgroup:
            start, opened = tag.end(), -1
        elif opened < 0:
            opened = tag.start()
    return start, opened


def _box(text: str, match: re.Match[str], most: int) -> Statement:
    depth = 0
    last = min(len(text), match.end() + most)
    for at in range(match.end(), last):
        depth += (text[at] == "{") - (text[at] == "}")
        if depth == 0:
            return _trimmed(text, Form.BOX, match.start(), match.end() + 1, at, at + 1)
    return Statement(Form.BOX, match.start(), match.end() + 1, last, last, closed=False)


def _tags(text: str, match: re.Match[str], most: int) -> Statement:
    closing = _TAG.search(text, match.end(), match.end() + most + len("</answer>"))
    if not closing or closing[0][1] != "/":
        last = min(len(text), match.end() + most)
        return Statement(Form.TAGS, match.start(), match.end(), last, last, closed=False)
    return _trimmed(text, Form.TAGS, match.start(), match.end(), closing.start(), closing.end())


def _rest_of_sentence(text: str, match: re.Match[str], form: Form, most: int) -> Statement:
    """The rest of the sentence, or the first line below if there is none."""
    start = match.end()
    while start < len(text) and text[start] in " \t\r\n*:":
        start += 1
    if form is Form.HASHES:
        start = match.end()
    limit = min(len(text), start + most)
    stop = _SENTENCE_END.search(text, start, min(len(text), limit + 1))
    end = stop.start() if stop else limit
    tail = stop.end() if stop and text[stop.start()] in ".?!" else end
    return _trimmed(text, form, match.start(), start, end, tail, closed=bool(stop) or limit == len(text))


def _trimmed(text: str, form: Form, head: int, start: int, end: int, tail: int, closed: bool = True) -> Statement:
    while start < end and text[start] in _EDGES:
        start += 1
    while end > start and text[end - 1] in _EDGES:
        end -= 1
    return Statement(form, head, start, end, tail, closed)


def _final(text: str, events: Sequence[Statement], base: int) -> Stated:
    """What of all that was stated stands in the end."""
    events, rest = _meant(text, events)
    if not events:
        return Stated(reason=NO_ANSWER, rest=base + rest)
    last = events[-1]
    gone = Stated(rest=base + max(rest, last.tail))
    if rest > last.head:
        return gone._replace(reason="what was stated is taken back")
    if not last.closed:
        return gone._replace(reason="the last statement breaks off")
    if _LAYOUT.fullmatch(text, last.start, last.end):
        return gone._replace(reason="the last statement is empty")
    if _TAKEN_BACK.search(text, max(0, last.tail - 1)):
        return gone._replace(reason="what was stated is taken back")
    group = [last]
    while last.form is Form.BOX and len(group) < len(events):
        before = events[-len(group) - 1]
        if before.form is not Form.BOX or not _JOINER.fullmatch(text, before.tail, group[0].head):
            break
        group.insert(0, before)
    answer = _joined([text[one.start : one.end] for one in group])
    others = [one for one in events[: -len(group)] if _differs(text, one, last, group[0].head)]
    answers = dict.fromkeys([*(_content(text, one) for one in others), answer or _content(text, last)])
    many = "different answers are stated" if len(answers) > 1 else ""
    return Stated(tuple(answers), many, base + group[0].head, base + group[0].start, base + last.tail)


def _meant(text: str, events: Sequence[Statement]) -> tuple[list[Statement], int]:
    """The statements that are meant as such, and the end of the last that is not: weighed, denied, or about another."""
    tags = [event for event in events if event.form is Form.TAGS]
    if tags:
        events = [event for event in events if event.form is Form.TAGS or event.head > tags[-1].tail]
        events = [event for event in events if event.form in (Form.TAGS, Form.BOX)]
    found: list[Statement] = []
    rest = 0
    for event in events:
        lead = text[max(0, event.head - 80) : event.head]
        lead = lead[max(lead.rfind("\n"), lead.rfind(". "), lead.rfind("? "), lead.rfind("! ")) + 1 :]
        content = text[event.start : event.end]
        if event.form is Form.SENTENCE:
            head = text[event.head : event.start]
            of_another = head[:6].casefold() == "answer" and _ABOUT_ITSELF.search(lead)
            if of_another or (found and _COMMENT.match(content)):
                continue
            denied = _NEGATED.match(content) and (len(events) > 1 or re.search(r"[\d\\]", content))
            asked = "?" in text[event.end : event.tail]
            if asked or _NO_ANSWER.search(lead) or _WEIGHED.search(lead) or denied or _UNSURE.search(head):
                rest = event.tail
                continue
            inner = [one for one in events if one.form is Form.BOX and event.head < one.head < event.end]
            if inner or (not content.strip("$\\[( ") and any(one.head >= event.end for one in events)):
                continue
        if event.form is Form.HASHES and content[:1].isalpha() and text[event.tail :].strip():
            continue  # a heading
        asked = text[event.tail : event.tail + 2].strip("$ ") == "?"
        if event.form is Form.BOX and (asked or _WEIGHED_BOX.search(lead)):
            rest = event.tail
            continue
        found.append(event)
    return found, rest


def _content(text: str, event: Statement) -> str:
    """The answer of one statement; what stands in tags may state it once more."""
    content = text[event.start : event.end]
    if event.form is Form.TAGS:
        return stated(content).answer or content
    return without_remark(content) if event.form is not Form.BOX else content


def _differs(text: str, one: Statement, last: Statement, until: int) -> bool:
    """Whether an earlier statement says something else, and nothing says that the last one is meant."""
    mine, final = (_bare(_content(text, event)) for event in (one, last))
    if mine == final or not mine:
        return False
    if last.form is Form.HASHES or _TAKEN_BACK.search(text, max(0, one.tail - 1), until):
        return False
    head = text[last.head : last.start]
    if one.form is last.form is Form.SENTENCE:
        return bool(re.search(r"answers? (?:to|for|of)\b", head, re.IGNORECASE))
    if last.form is Form.TAGS:
        return one.form is Form.TAGS
    lead = text[max(one.tail, until - 160) : until]
    return not _CONCLUDES.search(lead) and (one.form is not Form.BOX or last.form is Form.BOX)


def _joined(contents: Sequence[str]) -> str:
    """Several boxes are one list; empty for a single statement, whose content is its answer."""
    different = list(dict.fromkeys(contents))
    return ", ".join(different) if len(contents) > 1 else ""


def _bare(text: str) -> str:
    return re.sub(r"[\s$*{}\\.,]", "", _NAME.sub("", text)).casefold()
