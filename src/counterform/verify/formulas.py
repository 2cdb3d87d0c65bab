r"""Formulas as trees: LaTeX and plain notation read by one strict grammar, or not at all.

What is not understood to the last character is Unreadable; a word is prose and never letters multiplied. Nothing is
executed. `1/2x` has two readings, and is refused.
"""

from __future__ import annotations

from fractions import Fraction
from typing import NamedTuple

from counterform.verify.exact import Unreadable
from counterform.verify.notation import FUNCTIONS, GREEK, RENAMED, spelled, tokens, without_groups, without_layout

MAX_LENGTH = 1_000
"""Characters of a formula that is read."""
MAX_DEPTH = 40
MAX_DIGITS = 1_000
MAX_EXPONENT = 400
"""Of a power of ten in a number such as 1e-7."""
LARGE_ANGLE = 10
"""A plain number of this size under a sine may be degrees, though no sign says so."""


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


_OF_AN_ANGLE = frozenset(("sin", "cos", "tan", "cot", "sec", "csc"))
_DEGREE = Apply("divide", (Symbol("\\pi"), Number(Fraction(180))))
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


def read_formula(text: str) -> Expression:
    """The tree of a formula. Raises Unreadable."""
    if len(text) > MAX_LENGTH:
        raise Unreadable("it is too long")
    text = without_groups(spelled(text))
    return _Parser(tokens(without_layout(text))).whole()


class _Parser:
    def __init__(self, tokens: list[str]) -> None:
        self._tokens, self._at, self._depth = tokens, 0, 0
        self._functions = 0
        """How many functions of an angle the place is in: 30 degrees are pi/6 there."""

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
                name in GREEK
                or name in FUNCTIONS
                or name in RENAMED
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
                if self._functions and self._degrees():
                    found = Apply("multiply", (found, _DEGREE))
                    continue
                found = Apply("power", (found, self._exponent()))
                if self._next() in ("^", "**"):
                    raise Unreadable("a power of a power without braces")
            else:
                return found

    def _degrees(self) -> bool:
        r"""Take `\circ` or `{\circ}`, if that is what follows."""
        for sign in ([r"\circ"], ["{", r"\circ", "}"]):
            if self._tokens[self._at : self._at + len(sign)] == sign:
                self._at += len(sign)
                return True
        return False

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
        name = RENAMED.get(name, name)
        if name in _TWO_ARGUMENTS:
            above = self._digit_argument()
            below = self._digit_argument()
            return Apply("binomial" if name.endswith("binom") else "divide", (above, below))
        if name == "sqrt":
            return self._root()
        if name in FUNCTIONS or name == "log10":
            return self._function(name)
        if name in GREEK or name == "infty":
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
        argument = self._argument(name in _OF_AN_ANGLE)
        if exponent is not None and exponent.value == -1:
            name, exponent = f"arc{name}", None
            if name not in FUNCTIONS:
                raise Unreadable(name)
        found = Apply(name, (argument,) if base is None else (argument, base))
        return found if exponent is None else Apply("power", (found, exponent))

    def _argument(self, angle: bool) -> Expression:
        """What a function is applied to: brackets, or all factors up to the next function or bracket."""
        self._functions += angle
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
        self._functions -= angle
        if angle and isinstance(argument, Number) and abs(argument.value) >= LARGE_ANGLE:
            raise Unreadable("an angle in degrees or in radians")
        return argument


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
