r"""Text to tokens: one spelling for signs beyond ASCII, digits without groups, no layout, and words told from letters."""

from __future__ import annotations

import re

from counterform.verify.exact import Unreadable


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _set("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln exp sqrt abs floor ceil")
RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}
GREEK = _set(
    "alpha beta gamma delta epsilon varepsilon zeta eta theta vartheta iota kappa lambda mu nu xi pi rho sigma"
    " tau upsilon phi varphi chi psi omega Gamma Delta Theta Lambda Xi Pi Sigma Upsilon Phi Psi Omega ell hbar"
)
_UNICODE = {
    "−": "-", "–": "-", "×": r"\times ", "·": r"\cdot ", "⋅": r"\cdot ", "∗": "*", "÷": "/", "∕": "/", "⁄": "/", "π": r"\pi ",
    "θ": r"\theta ", "α": r"\alpha ", "β": r"\beta ", "λ": r"\lambda ", "φ": r"\phi ", "∞": r"\infty ", "√": r"\sqrt ", "±": r"\pm ",
    "≤": r"\le ", "≥": r"\ge ", "≠": r"\ne ", "∈": r"\in ", "∪": r"\cup ", "°": r"^\circ ", "²": "^2", "³": "^3", "⁴": "^4", "⁵": "^5",
    "½": r"\frac{1}{2}", "¼": r"\frac{1}{4}", "¾": r"\frac{3}{4}", "⅓": r"\frac{1}{3}", "⅔": r"\frac{2}{3}", "⅛": r"\frac{1}{8}",
    "\u00a0": " ", "\u2009": " ", "\u202f": " ", "\u200b": "", "′": "'",
}  # fmt: skip
_ROOT = re.compile(r"√\s?(\d+(?:\.\d+)?)")
_UNICODE_TABLE = str.maketrans(_UNICODE)
_LAYOUT = re.compile(
    r"\\(?:[,;:!> ]|left(?![a-z])|right(?![a-z])|[bB]igg?[lr]?(?![a-z])|displaystyle|textstyle|quad|qquad|limits|nolimits|phantom\{[^{}]*\})|~|\\(?=$)"
)
_GROUPED = re.compile(r"(?<![\d.])\d{1,3}(?:(?:,|\{,\}|,?\\[,!;:]\s?|\{\\,\})\d{3})+(?!\d)")
"""Digits in groups of three, however LaTeX parts them."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![\w.]))?)|(?P<command>\\[A-Za-z]+|\\[{}|%$])|(?P<word>[^\W\d_]+)"
    r"|(?P<sign>\*\*|[-+*/^_(){}\[\]|!,=<>'&:;%]))"
)
# Two or three letters that are a word and no product.
_NO_PRODUCT = _set(
    "am an and any are as at be bed big but by can cat cm day did do dog dry due end far few for ft gal get go"
    " god got had has he her him his how hot hr if in is it its kg km lb led let low lb ml mm man map may me men"
    " min my net new no nor not now of off old on one or our out own oz pan pay per put ran red run sad sat saw"
    " say sec see set she sin six so sum ten the tie to too top try two up us use war was way we wet who why win"
    " won yes yet you ago rad deg mol hr yr mph kph rpm bps pct pp ppm mj gj kj mw gw kw hz khz mhz pa kpa mpa"
)


def spelled(text: str) -> str:
    """The text with signs beyond ASCII in LaTeX's own spelling."""
    return text if text.isascii() else _ROOT.sub(r"\\sqrt{\1}", text).translate(_UNICODE_TABLE)


def without_groups(text: str) -> str:
    """With every number's digits side by side."""
    return _GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)


def without_layout(text: str) -> str:
    r"""Without spacing and sizing commands. For the inside of a formula only: in a matrix `\\ ` ends a row."""
    return _LAYOUT.sub(" ", text) if "\\" in text or "~" in text else text


def tokens(text: str) -> list[str]:
    """The words, numbers, commands and signs of a formula. Raises Unreadable for what is none of these, or prose."""
    found: list[str] = []
    at = 0
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise Unreadable(f"{text[at : at + 10]!r}")
        if token["word"]:
            found += _letters(token["word"])
        else:
            found.append(token[token.lastgroup or 0])
        at = token.end()
    if sum(map(str.isalpha, found)) > 1 and not any(token[0].isdigit() or token[0] in "+-*/^=_\\" for token in found):
        raise Unreadable("letters alone are a word")
    return found


def _letters(word: str) -> list[str]:
    if word in FUNCTIONS or word in RENAMED or word in ("pi", "theta", "infinity"):
        return [f"\\{word}" if word != "infinity" else r"\infty"]
    if len(word) == 1:
        return [word]
    # A product of letters, as in 2xy: short, and no word.
    if len(word) > 3 or word.casefold() in _NO_PRODUCT or not word.isascii():
        raise Unreadable(f"{word!r} is a word")
    return list(word)
