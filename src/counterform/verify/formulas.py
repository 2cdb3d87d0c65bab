r"""Formulas as trees: LaTeX and plain notation read by one strict grammar, or not at all.

What is not understood to the last character is Unreadable; a word is prose and never letters multiplied. Nothing is
executed. `1/2x` has two readings, and is refused.
"""

from __future__ import annotations

import re
from fractions import Fraction
from typing import NamedTuple

from counterform.verify.exact import Unreadable

MAX_LENGTH = 1_000
"""Characters of a formula that is read."""
MAX_DEPTH = 40
MAX_DIGITS = 1_000
MAX_EXPONENT = 400
"""Of a power of ten in a number such as 1e-7."""


class Number(NamedTuple):
    """A rational number."""

    value: Fraction


class Symbol(NamedTuple):
    """A variable or a constant: one letter with its subscript, or a Greek name."""

    name: str


class Apply(NamedTuple):
    """An operation or function and what it is applied to."""

    name: str
    args: tuple[Expression, ...]


Expression = Number | Symbol | Apply


def _set(text: str) -> frozenset[str]:
    return frozenset(text.split())


FUNCTIONS = _set("sin cos tan cot sec csc arcsin arccos arctan sinh cosh tanh coth log ln exp sqrt abs floor ceil")
_RENAMED = {"asin": "arcsin", "acos": "arccos", "atan": "arctan", "lg": "log10"}
_GREEK = _set(
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
_UNICODE_TABLE = str.maketrans(_UNICODE)
_LAYOUT = re.compile(
    r"\\(?:[,;:!> ]|left(?![a-z])|right(?![a-z])|[bB]igg?[lr]?(?![a-z])|displaystyle|textstyle|quad|qquad|limits|nolimits|phantom\{[^{}]*\})|~|\\(?=$)"
)
GROUPED = re.compile(r"(?<![\d.])\d{1,3}(?:(?:,|\{,\}|,?\\[,!;:]\s?|\{\\,\})\d{3})+(?!\d)")
"""Digits in groups of three, however LaTeX parts them."""
_TOKEN = re.compile(
    r"\s*(?:(?P<number>(?:\d+(?:\.\d*)?|\.\d+)(?:[eE][+-]?\d+(?![\w.]))?)|(?P<command>\\[A-Za-z]+|\\[{}|%$])|(?P<word>[^\W\d_]+)"
    r"|(?P<sign>\*\*|[-+*/^_(){}\[\]|!,=<>'&:;%]))"
)
_TWO_ARGUMENTS = frozenset(("frac", "dfrac", "tfrac", "cfrac", "binom", "dbinom", "tbinom"))
_OPENS = {
    "(": ")",
    "[": "]",
    r"\{": r"\}",
    "{": "}",
    r"\lfloor": r"\rfloor",
    r"\lceil": r"\rceil",
    r"\lvert": r"\rvert",
}
_TIMES = frozenset(("*", r"\cdot", r"\times", r"\ast"))
_OVER = frozenset(("/", r"\div"))
# Two or three letters that are a word and no product.
_NO_PRODUCT = _set(
    "am an and any are as at be bed big but by can cat cm day did do dog dry due end far few for ft gal get go"
    " god got had has he her him his how hot hr if in is it its kg km lb led let low lb ml mm man map may me men"
    " min my net new no nor not now of off old on one or our out own oz pan pay per put ran red run sad sat saw"
    " say sec see set she sin six so sum ten the tie to too top try two up us use war was way we wet who why win"
    " won yes yet you"
)


def spelled(text: str) -> str:
    """The text with signs beyond ASCII in LaTeX's own spelling."""
    return text if text.isascii() else text.translate(_UNICODE_TABLE)


def without_groups(text: str) -> str:
    """With every number's digits side by side."""
    return GROUPED.sub(lambda found: re.sub(r"\D", "", found[0]), text)


def without_layout(text: str) -> str:
    r"""Without spacing and sizing commands. For the inside of a formula only: in a matrix `\\ ` ends a row."""
    return _LAYOUT.sub(" ", text) if "\\" in text or "~" in text else text


def read_formula(text: str) -> Expression:
    """The tree of a formula. Raises Unreadable."""
    if len(text) > MAX_LENGTH:
        raise Unreadable("it is too long")
    text = without_groups(spelled(text))
    return _Parser(_tokens(without_layout(text))).whole()


def _tokens(text: str) -> list[str]:
    found: list[str] = []
    at, product = 0, False
    text = text.rstrip()
    while at < len(text):
        token = _TOKEN.match(text, at)
        if not token:
            raise Unreadable(f"{text[at : at + 10]!r}")
        if token["word"]:
            letters = _letters(token["word"])
            product |= len(letters) > 1
            found += letters
        else:
            found.append(token[token.lastgroup or 0])
        at = token.end()
    if product and not any(token[0].isdigit() or token[0] in "+-*/^=\\" for token in found):
        raise Unreadable("letters alone are a word")
    return found


def _letters(word: str) -> list[str]:
    if word in FUNCTIONS or word in _RENAMED or word in ("pi", "theta", "infinity"):
        return [f"\\{word}" if word != "infinity" else r"\infty"]
    if len(word) == 1:
        return [word]
    # A product of letters, as in 2xy: short, and no word.
    if len(word) > 3 or word.casefold() in _NO_PRODUCT or not word.isascii():
        raise Unreadable(f"{word!r} is a word")
    return list(word)


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0

    def whole(self) -> Expression:
        if not self._tokens:
            raise Unreadable("nothing")
        found = self._sum()
        if self._at < len(self._tokens):
            raise Unreadable(self._next())
        return found

    def _next(self) -> str:
        return self._tokens[self._at] if self._at < len(self._tokens) else ""

    def _take(self) -> str:
        self._at += 1
        return self._tokens[self._at - 1] if self._at <= len(self._tokens) else ""

    def _expect(self, token: str) -> None:
        if self._take() != token:
            raise Unreadable(f"{token} is missing")

    def _sum(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        found = self._product()
        while self._next() in ("+", "-"):
            sign = self._take()
            term = self._product()
            found = Apply("add", (found, term if sign == "+" else _negative(term)))
        self._depth -= 1
        return found

    def _product(self) -> Expression:
        if self._next() in ("+", "-"):
            sign = self._take()
            if self._next() in ("+", "-"):
                raise Unreadable("two signs")
            found = self._product()
            return found if sign == "+" else _negative(found)
        first = self._next()
        found = self._power()
        divided = False
        while True:
            token = self._next()
            if token in _TIMES or token in _OVER:
                self._take()
                if self._next() == "-":
                    raise Unreadable("two signs")
                factor = self._power()
                divided = token in _OVER
                found = Apply("divide" if divided else "multiply", (found, factor))
            elif self._starts_factor(token):
                if divided:
                    raise Unreadable("a/b c has two readings")
                found = self._beside(found, first)
            else:
                return found

    def _beside(self, found: Expression, first: str) -> Expression:
        """A factor without a sign before it: a product, or the fraction of a mixed number."""
        token = self._next()
        if token[0].isdigit() or token[0] == ".":
            raise Unreadable("two numbers side by side")
        factor = self._power()
        fraction = isinstance(factor, Apply) and factor.name == "divide" and token in (r"\frac", r"\dfrac", r"\tfrac")
        if isinstance(found, Number) and fraction and isinstance(factor, Apply):
            above, below = factor.args
            if isinstance(above, Number) and isinstance(below, Number):
                if not first.isdigit() or not above.value < below.value:
                    raise Unreadable("no mixed number")
                return Number(found.value + above.value / below.value)
        return Apply("multiply", (found, factor))

    @staticmethod
    def _starts_factor(token: str) -> bool:
        if not token:
            return False
        if token[0] == "\\" and len(token) > 1:
            name = token[1:]
            return (
                name in _GREEK
                or name in FUNCTIONS
                or name in _RENAMED
                or name in _TWO_ARGUMENTS
                or token in _OPENS
                or name == "infty"
            )
        return token[0].isalnum() or token[0] == "." or token in ("(", "[", "{")

    def _power(self) -> Expression:
        found = self._factor()
        while True:
            token = self._next()
            if token == "!":
                self._take()
                found = Apply("factorial", (found,))
            elif token in ("^", "**"):
                self._take()
                found = Apply("power", (found, self._exponent()))
                if self._next() in ("^", "**"):
                    raise Unreadable("a power of a power without braces")
            else:
                return found

    def _exponent(self) -> Expression:
        token = self._next()
        if token in ("-", "+"):
            self._take()
            found = self._exponent()
            return _negative(found) if token == "-" else found
        if token in (r"\circ", r"\prime", "'", r"\ast"):
            raise Unreadable(token)
        return self._factor()

    def _digit_argument(self) -> Expression:
        token = self._next()
        if token.isdigit() and len(token) > 1:
            self._tokens[self._at] = token[1:]
            return Number(Fraction(int(token[0])))
        return self._factor()

    def _factor(self) -> Expression:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise Unreadable("it is nested too deeply")
        token = self._take()
        found: Expression
        if not token:
            raise Unreadable("it breaks off")
        if token[0].isdigit() or token[0] == ".":
            found = self._based(token)
        elif token in _OPENS:
            found = self._sum()
            self._expect(_OPENS[token])
            if token in (r"\lfloor", r"\lceil", r"\lvert"):
                found = Apply({r"\lfloor": "floor", r"\lceil": "ceil", r"\lvert": "abs"}[token], (found,))
        elif token == "|":
            found = Apply("abs", (self._sum(),))
            self._expect("|")
        elif token[0] == "\\":
            found = self._command(token[1:])
        elif token.isalpha():
            found = Symbol(token + self._subscript())
        else:
            raise Unreadable(token)
        if self._next() == "'":
            raise Unreadable("a derivative")
        self._depth -= 1
        return found

    def _based(self, token: str) -> Number:
        """A number, or the numeral of another base: 52_8."""
        if self._next() != "_":
            return Number(read_number(token))
        self._take()
        base = self._factor()
        if not isinstance(base, Number) or base.value.denominator != 1 or not token.isdigit() or len(token) > 100:
            raise Unreadable("no base")
        if not 2 <= base.value <= 36 or any(int(digit) >= base.value for digit in token):
            raise Unreadable("no numeral of that base")
        return Number(Fraction(int(token, int(base.value))))

    def _subscript(self) -> str:
        if self._next() != "_":
            return ""
        self._take()
        token = self._take()
        if token != "{":
            return f"_{token}" if token.isalnum() else self._no_subscript()
        inner = []
        while (token := self._take()) != "}":
            inner.append(token if token.isalnum() or token in (",", "+", "-") else self._no_subscript())
        return f"_{''.join(inner)}"

    @staticmethod
    def _no_subscript() -> str:
        raise Unreadable("a subscript")

    def _command(self, name: str) -> Expression:
        name = _RENAMED.get(name, name)
        if name in _TWO_ARGUMENTS:
            above = self._digit_argument()
            below = self._digit_argument()
            return Apply("binomial" if name.endswith("binom") else "divide", (above, below))
        if name == "sqrt":
            return self._root()
        if name in FUNCTIONS or name == "log10":
            return self._function(name)
        if name in _GREEK or name == "infty":
            return Symbol(f"\\{name}" + self._subscript())
        raise Unreadable(f"\\{name}")

    def _root(self) -> Expression:
        degree: Expression = Number(Fraction(2))
        if self._next() == "[":
            self._take()
            degree = self._sum()
            self._expect("]")
        return Apply("root", (self._digit_argument(), degree))

    def _function(self, name: str) -> Expression:
        base: Expression | None = None
        exponent: Number | None = None
        if name == "log" and self._next() == "_":
            self._take()
            base = self._digit_argument()
        if self._next() == "^":
            self._take()
            raised = self._exponent()
            if not isinstance(raised, Number):
                raise Unreadable("a power of a function")
            exponent = raised
        if self._next() in ("(", "[", "{", r"\{"):
            argument = self._factor()
        else:
            argument = self._power()
            while (
                self._starts_factor(self._next())
                and self._next().removeprefix("\\") not in FUNCTIONS
                and self._next() != "("
            ):
                argument = Apply("multiply", (argument, self._power()))
        if exponent is not None and exponent.value == -1:
            name, exponent = f"arc{name}", None
            if name not in FUNCTIONS:
                raise Unreadable(name)
        found = Apply(name, (argument,) if base is None else (argument, base))
        return found if exponent is None else Apply("power", (found, exponent))


def read_number(token: str) -> Fraction:
    """A number as printed, perhaps with a power of ten (1e-7). Raises Unreadable beyond the bounds."""
    digits, _, exponent = token.lower().partition("e")
    if len(digits) > MAX_DIGITS or len(exponent) > 4 or abs(int(exponent or "0")) > MAX_EXPONENT:
        raise Unreadable("a number beyond the bounds")
    whole, _, decimals = digits.partition(".")
    return Fraction(int(whole + decimals or "0"), 10 ** len(decimals)) * Fraction(10) ** int(exponent or "0")


def _negative(found: Expression) -> Expression:
    if isinstance(found, Number):
        return Number(-found.value)
    return Apply("negative", (found,))


def symbols(found: Expression) -> frozenset[str]:
    """The names of all symbols in the tree."""
    if isinstance(found, Symbol):
        return frozenset((found.name,))
    if isinstance(found, Number):
        return frozenset()
    return frozenset().union(*(symbols(arg) for arg in found.args))


def renamed(found: Expression, names: dict[str, str]) -> Expression:
    """The tree with symbols under other names."""
    if isinstance(found, Symbol):
        return Symbol(names.get(found.name, found.name))
    if isinstance(found, Number):
        return found
    return Apply(found.name, tuple(renamed(arg, names) for arg in found.args))
