r"""Text as typed tokens, for reading the equations in it: numbers, signs, letters, words, LaTeX.

A token's kind is one character, so that a text is also a string of kinds:

    n number    % percent    + - / as themselves    * x "times"    m a "*" inside LaTeX    ^ E (in LaTeX) power
    ( ) { } d \frac    r root    b \binom    ! factorial    h "half", "twice"    o "of"
    v letter    w words    = i "is" a "about equal"    < another relation    ? question
    , ; : . as ","    B a border of LaTeX (delimiter, row, column)    S a sign of unknown meaning    F foreign, unreadable
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from fractions import Fraction
from functools import lru_cache
from typing import NamedTuple

from counterform.verify.exact import NUMBER
from counterform.verify.measures import GLUED


def _names(said: str) -> list[str]:
    return said.split()


_LETTER = "[a-zA-Zµ-ÖØ-öø-῿⺀-퟿]"
_NUMBER = rf"(?:\\?[$£€])?(?:\d{{1,4}} \d{{1,4}}/\d{{1,4}}(?![\d/.])|(?>{NUMBER}))"
_RUN = (
    rf"(?:{_LETTER}{{2,}}|[aAI](?= {_LETTER}{{2}})|{_LETTER}['’]{_LETTER}{{2,}}|I['’]m)"
    rf"(?:[ -]{_LETTER}{{2,}}|['’](?:{_LETTER}+|(?= ))| a(?= ))*"
)
_LATEX = (
    r"\\(?:text|textrm|textbf|textit|mbox|mathrm|operatorname)\*?\s?\{[^{}]{0,200}\}"
    r"|\^\s?(?:\\circ|\{\s?\\circ\s?\})|\\(?:begin|end)\s?\{[^{}]{0,40}\}|\\[a-zA-Z]+\*?"
    rf"|(?!\\?[$£€]\s?[\d.])\\.|{_LETTER}_(?:\{{[^{{}}]{{0,20}}\}}|[^\W_])"
)
_HEXADECIMAL = r"0[xXbBoO][0-9a-fA-F]+"
_SIGNS = r"\.\.\.+|=>|->|-->|(?<![\w)])!=|<=|>=|=/=|\*\*|'+"
_PLAIN = re.compile(rf"(\s*)({_RUN}|{_HEXADECIMAL}|{_NUMBER}|{_LATEX}|{_SIGNS}|\S)")
_MATH = re.compile(rf"(\s*)({_NUMBER}|{_LATEX}|{_SIGNS}|\S)")

_KINDS = {sign: sign for sign in "+-*/^()%={}!"}
_KINDS |= {
    "−": "-",
    "–": "-",
    "÷": "/",
    "**": "^",
    "[": "(",
    "]": ")",
    "√": "r",
    "\n": "B",
    "&": "B",
    "$": "B",
    "?": "?",
}
_KINDS |= dict.fromkeys("×·∗⋅", "x") | dict.fromkeys(',;:.。，；："“”', ",")
_KINDS |= dict.fromkeys(("=>", "->", "-->", "→", "⇒", "∴"), ",")
_KINDS |= dict.fromkeys(("!=", "<=", ">=", "=/=", "<", ">", "≤", "≥", "≠"), "<") | dict.fromkeys("≈≃~", "a")
_KINDS |= dict.fromkeys("⊕⊗★☆⋆◇△∘⊙@#♣♥♠♦◊□○⊖▽∇†&", "S") | {"&": "B"}
_NOTHING = frozenset(
    _names(
        "left right big Big bigg Bigg bigl bigr Bigl Bigr displaystyle textstyle boxed fbox mathbf boldsymbol limits nonumber"
    )
)
_COMMANDS = (
    dict.fromkeys(("times", "cdot"), "x")
    | {"div": "/", "ast": "m", "sqrt": "r", "approx": "a", "doteq": "a", "infty": "F"}
    | dict.fromkeys(("frac", "dfrac", "tfrac", "cfrac"), "d")
    | dict.fromkeys(("binom", "dbinom", "tbinom"), "b")
    | dict.fromkeys(("quad", "qquad", "implies", "Rightarrow", "rightarrow", "to", "iff", "therefore", "Longrightarrow"), ",")
    | dict.fromkeys(("ne", "neq", "le", "leq", "ge", "geq", "lt", "gt", "leqslant", "geqslant"), "<")
    | dict.fromkeys(
        _names("star diamond oplus otimes odot circ bullet triangle nabla clubsuit spadesuit heartsuit diamondsuit sharp dagger "
        "ddagger ominus oslash boxplus boxtimes bigtriangleup bigtriangledown bigstar wedge vee square Box"),
        "S",
    )
    | dict.fromkeys(_names("pi theta alpha beta gamma delta lambda mu phi omega sigma"), "v")
)  # fmt: skip
_CHARACTERS = {"\\\\": "B", "\\%": "%", "\\{": "(", "\\}": ")", "\\[": "B", "\\]": "B", "\\(": "B", "\\)": "B"}
_CHARACTERS |= {"\\#": "S", "\\&": "F"}
_ROWS = re.compile(r"\\(?:begin|end)\s?\{(?:align|equation|gather|split|multline|flalign|aligned|gathered)\*?\}")

_SPACING = re.compile(r"\\!\s?|(?<=\d)\\[,;: ](?=\d{3})|\{,\}")
_SPACES = re.compile(r"(\\\\)|\\[,;: ]|~")
"""Of which \\\\ is none: it ends a row."""
_BOLD = re.compile(r"(?<![^\s(:=])\*\*(?=[^\s*])|(?<=[^\s*])\*\*(?=[\s.,:;)!]|$)")
_BULLETS = frozenset("-*•–#(0123456789")
_BULLET = re.compile(r"(?:[-*•–]|#{1,6}|\(?\d{1,2}[.)])\s+")
_DELIMITER = re.compile(r"\$\$|\\[\[\](){}]|\$|\\(?:begin|end)\s?\{[^{}]{0,40}\}")
_WORD = re.compile(r"(?<![\\a-zA-Z{])[a-zA-Z]{3,}(?![a-zA-Z]*[({])")

_SPOKEN = {"times": "x", "multiplied by": "x", "plus": "+", "minus": "-", "divided by": "/", "percent": "%"}
_SPOKEN |= dict.fromkeys(("of", "of the", "of his", "of her", "of their", "of its", "of those", "of these"), "o")
_SPOKEN |= dict.fromkeys(("is", "equals", "is equal to", "makes", "gives", "equal"), "i")
_STATES = re.compile(r"(.+) (is|equals|is equal to|makes|gives)")
_PERCENT = re.compile(r"(percent) (of(?: the| his| her| their| its| those| these)?)")
_PARTS = {"half": Fraction(1, 2), "a third": Fraction(1, 3), "a quarter": Fraction(1, 4), "a fourth": Fraction(1, 4)}
_PARTS |= {"one half": Fraction(1, 2), "one third": Fraction(1, 3), "one quarter": Fraction(1, 4)}
_PARTS |= {"two thirds": Fraction(2, 3), "two-thirds": Fraction(2, 3), "three quarters": Fraction(3, 4)}
_PARTS |= {"three-quarters": Fraction(3, 4), "three fourths": Fraction(3, 4), "a half": Fraction(1, 2)}
_PARTS |= {"twice": Fraction(2)}
_PART = re.compile(
    rf"(?:((?:.* )?(?:so|then|thus|therefore|hence|that|because|since|is|find)) )?({'|'.join(_PARTS)})"
    r"( of(?: the| his| her| their| its| those| these)?)?"
)
_FUNCTIONS = frozenset(
    _names(
        "sqrt log ln lg sin cos tan cot sec csc exp gcd lcm gcf abs floor ceil mod det choose arcsin arccos arctan max cubed squared "
        "factorial modulo"
    )
)
_SHORT_WORDS = frozenset(
    _names(
        "an as at be by do go he if in is it me my no of on or so to up us we am ad ox oz lb ft hr cm km kg mm ml mi yd pt qt "
        "tv ok pm gb mb id pc cd by she the and"
    )
)
_OF = frozenset(("of", "the"))
_LAST = _FUNCTIONS | frozenset(_names("by of the his her their its those these to is equals makes gives twice"))
"""The last words of a run that may say a sign."""
_VOWEL = re.compile(r"[aeiouyAEIOUY]|[^a-zA-Z]")


class Tokens(NamedTuple):
    """A text's tokens: their kinds as one string, as they are written, and whether each follows without a space."""

    kinds: str
    texts: list[str]
    glued: list[bool]


def tokens(text: str) -> Tokens:
    """The text cut into tokens."""
    if "**" in text:
        text = _BOLD.sub(" ", text)
    if "\\" in text or "~" in text or "{,}" in text:
        text = _SPACES.sub(
            lambda space: space[1] or " ", _SPACING.sub(lambda group: "," if group[0] == "{,}" else "", text)
        )
    if text[:1] in _BULLETS and (bullet := _BULLET.match(text)):
        text = text[bullet.end() :]
    kinds: list[str] = []
    texts: list[str] = []
    glued: list[bool] = []
    for part, is_math in _parts(text):
        if is_math is None:
            kinds.append("B")
            texts.append(part)
            glued.append(True)
            continue
        lexed = [(not space, _lexemes(said, is_math)) for space, said in (_MATH if is_math else _PLAIN).findall(part)]
        kinds += [kind for _, lexemes in lexed for kind, _ in lexemes]
        texts += [said for _, lexemes in lexed for _, said in lexemes]
        glued += [close for close, lexemes in lexed for _ in lexemes]
    return Tokens(_settled(kinds, texts, glued), texts, glued)


def _parts(text: str) -> Iterator[tuple[str, bool | None]]:
    """Stretches of the text, and whether each is mathematics in LaTeX; None: a delimiter."""
    dollars = "$" in text and _has_formulas(text)
    if not dollars and "\\" not in text:
        yield text, False
        return
    at, is_math, seen = 0, False, False
    for delimiter in _DELIMITER.finditer(text):
        sign = delimiter[0]
        if sign[0] == "$" and not (dollars or sign == "$$"):
            continue
        if sign in ("\\{", "\\}") or (sign.startswith("\\begin") and not _ROWS.match(sign)):
            continue
        if sign[0] == "$" and text[delimiter.start() - 1 : delimiter.start()] == "\\":
            continue
        if sign.startswith("\\end") and not _ROWS.match(sign):
            continue
        seen = True
        yield text[at : delimiter.start()], is_math
        yield sign, None
        is_math = sign in ("\\[", "\\(") or sign.startswith("\\begin") or (sign[0] == "$" and not is_math)
        at = delimiter.end()
    yield text[at:], is_math or (not seen and not _WORD.search(text))


def _has_formulas(text: str) -> bool:
    """Whether dollar signs come in pairs around formulas; else they are money."""
    bare = text.replace("\\$", "  ").replace("$$", "  ")
    places = [index for index, sign in enumerate(bare) if sign == "$"]
    if len(places) % 2:
        return "\\" in text and len(places) > 2
    for opening, closing in zip(places[::2], places[1::2], strict=True):
        after = bare[closing + 1 : closing + 2]
        if bare[opening - 1 : opening].isdigit():
            return False
        if bare[opening + 1].isspace() and "\\" not in bare[opening:closing]:
            return False
        if bare[closing - 1].isspace() and "\\" not in bare[opening:closing]:
            return False
        if after.isdigit() or after == "<":
            return False
    return bool(places)


@lru_cache(maxsize=8192)
def _lexemes(said: str, is_math: bool) -> tuple[tuple[str, str], ...]:
    """One match as tokens; the same few come again and again."""
    first = said[0]
    if first.isalpha():
        if len(said) == 1:
            if is_math:
                return (("v", said),)
            return (("X" if said in "xX" else "w" if said in "aAI" else "v", said),)
        return (("v", said),) if said[1] == "_" else _words(said)
    if first == "0" and len(said) > 2 and said[1] in "xXbBoO":
        return (("F", said),)
    if said[-1].isdecimal() and (first.isdecimal() or first in ".$£€" or (first == "\\" and said[1] in "$£€")):
        return (("n", said.lstrip("\\")),)
    if first == "\\" and len(said) > 1:
        return _command(said)
    if first == "^" and len(said) > 1:
        return (("w", "degrees"),)
    if said == "°":
        return (("w", "degrees"),)
    kind = _KINDS.get(said, "F")
    if is_math:
        kind = {"*": "m", "^": "E"}.get(kind, kind)
    elif said == "&":
        kind = "S"
    return ((kind, said),)


def _command(said: str) -> tuple[tuple[str, str], ...]:
    if "{" in said:
        if said.startswith(("\\begin", "\\end")):
            return (("B" if _ROWS.match(said) else "F", said),)
        inside = said[said.index("{") + 1 : -1].strip()
        if not inside:
            return ()
        if len(inside) == 1 and inside.isalpha():
            return (("v", inside),)
        return _words(inside) if all(sign.isalpha() or sign in " -" for sign in inside) else (("F", said),)
    if len(said) == 2 and not said[1].isalpha():
        return ((_CHARACTERS.get(said, "F"), said),)
    name = said[1:].rstrip("*")
    return () if name in _NOTHING else ((_COMMANDS.get(name, "F"), said),)


def _words(run: str) -> tuple[tuple[str, str], ...]:
    """A run of words: words, or the signs that they say."""
    lower = run.casefold()
    before, _, last = lower.rpartition(" ")
    if lower == "twice":
        return (("h", run), ("o", ""))
    if not before:
        return ((_kind_of_word(run, lower), run),)
    if last not in _LAST:
        return (("w", run),)
    if lower in _SPOKEN:
        return ((_SPOKEN[lower], run),)
    if said := _PERCENT.fullmatch(lower):
        return (("%", said[1]), ("o", said[2]))
    if (said := _PART.fullmatch(lower)) and (said[3] or said[2] == "twice"):
        return (*((("w", said[1]),) if said[1] else ()), ("h", said[2]), ("o", said[3] or ""))
    if last in _OF and before.rpartition(" ")[2] in _FUNCTIONS:
        return (("F", run),)
    if last in _FUNCTIONS:
        return (*_words(run[: len(before)]), *_words(run[len(before) + 1 :]))
    if said := _STATES.fullmatch(lower):
        return (*_words(run[: said.end(1)]), ("i", said[2]))
    return (("w", run),)


def _kind_of_word(word: str, lower: str) -> str:
    if lower in _SPOKEN:
        return _SPOKEN[lower]
    if lower in _FUNCTIONS:
        return "r" if lower == "sqrt" else "F"
    unknown = len(word) == 2 and word.isascii() and lower not in _SHORT_WORDS
    letters = len(word) == 3 and not _VOWEL.search(word) and not word.isupper() and lower not in GLUED
    return "F" if unknown or letters else "w"


def part(said: str) -> Fraction:
    """What "half" and the like are worth."""
    return _PARTS[said]


def _settled(kinds: list[str], texts: list[str], glued: list[bool]) -> str:
    """The kinds, where they hang on what stands beside."""
    for index, kind in enumerate(kinds):
        if kind not in "Xwvnr'":
            continue
        before = kinds[index - 1] if index else ""
        after = kinds[index + 1] if index + 1 < len(kinds) else ""
        close = glued[index]
        if kind == "X":
            kinds[index] = "x" if before and before in "n)%w" and after and after in "n(rd" else "v"
        elif kind == "w":
            applied = after == "(" and glued[index + 1]
            stuck = close and before and before in "n)}v_" and texts[index].casefold().partition(" ")[0] not in GLUED
            if texts[index] != "degrees" and (applied or stuck):
                kinds[index] = "F"
        elif kind == "n":
            if close and before and before in "vwF_":
                kinds[index] = "F"
        elif kind == "v" and after == "F" and texts[index + 1][0] in "'_":
            kinds[index] = "F"
    return "".join(kinds)
