"""Closing brackets with a stack kept in writing, as BIG-Bench's `dyck_languages` are solved.

Problem   < [ ( )            (the closing brackets are asked for)
Attempt   stack: empty / < ; stack: < / [ ; stack: < [ / ( ; stack: < [ ( / ) ; stack: < [ /
          Now, we have reached the end. The final stack is "< [". / We will need to pop out "[", "<" one by one in
          that order. / So, we need "]", ">". So the answer is ] >
"""

from __future__ import annotations

import re

from counterform.types import Problem, StepVerdict, StepVerifier
from counterform.verify.claims import Claim, Claims, kept, unread, wrong

PAIRS = {"(": ")", "[": "]", "{": "}", "<": ">"}
_B = r"[][(){}<>]"


class Dyck(StepVerifier):
    """A step verifier for attempts that write down the stack after each bracket."""

    name = "bb-dyck"
    bounded = True

    def start(self, problem: Problem) -> DyckWatch:
        """A step verifier for one attempt; the brackets stand in the prompt, after `Input:` where that is said."""
        return DyckWatch(re.findall(_B, problem.prompt.rpartition("Input:")[2]))


class DyckWatch(Claims):
    """Grades one attempt by its own stack, so that one early error is not counted again at every later step."""

    def __init__(self, symbols: list[str]) -> None:
        self._symbols, self._at = symbols, 0
        self._stack: list[str] = []
        super().__init__(
            {
                r"We should process each input one by one and keep track of the stack configuration\.": self._plan,
                r"stack: empty": self._begin,
                rf"({_B}) ?; ?stack: ?(empty|(?:{_B} ?)*)": self._move,
                r"Now, we have reached the end\.": self._end,
                rf'The final stack is (empty|"?(?:{_B} ?)*"?)\.': self._final,
                rf'We will need to pop out ((?:{_B}|[ ,"]|and)+|nothing)(?: one by one)?(?: in that order)?\.': self._pop,
                rf'So, we need ((?:{_B}|[ ,"]|and)+|nothing)(?:\.|$)': self._need,
                rf"So the answer is ?((?:{_B} ?)*)\.?": self._need,
            },
            matter=_B,
        )

    @property
    def _closing(self) -> list[str]:
        return [PAIRS.get(symbol, symbol) for symbol in reversed(self._stack)]

    def _plan(self, said: Claim) -> StepVerdict:
        return kept("plan")

    def _begin(self, said: Claim) -> StepVerdict:
        return kept("stack") if not self._at else wrong("stack", self._next)

    def _move(self, said: Claim) -> StepVerdict:
        symbol, claimed = said[1], re.findall(_B, said[2])
        due = self._symbols[self._at] if self._at < len(self._symbols) else ""
        hint = self._next
        before, self._stack = self._stack, claimed
        self._at = min(self._at + 1, len(self._symbols))
        if symbol != due:
            return wrong("next symbol", hint)
        if symbol in PAIRS:
            right = [*before, symbol]
        elif before and PAIRS.get(before[-1]) == symbol:
            right = before[:-1]
        else:
            return unread("nothing to close")  # what would be right after an earlier error, nobody can say
        return kept("stack") if claimed == right else wrong("stack", hint)

    @property
    def _next(self) -> str:
        """The step that is due, where the stack allows one."""
        if self._at == len(self._symbols):
            return f"So the answer is {' '.join(self._closing)}"
        symbol = self._symbols[self._at]
        stack = [*self._stack, symbol] if symbol in PAIRS else self._stack[:-1]
        return f"{symbol} ; stack: {' '.join(stack) or 'empty'}"

    def _end(self, said: Claim) -> StepVerdict:
        return kept("end") if self._at == len(self._symbols) else wrong("end", self._next)

    def _final(self, said: Claim) -> StepVerdict:
        hint = f'The final stack is "{" ".join(self._stack)}".'
        return kept("final stack") if re.findall(_B, said[1]) == self._stack else wrong("final stack", hint)

    def _pop(self, said: Claim) -> StepVerdict:
        due = self._stack[::-1]
        return kept("pop") if re.findall(_B, said[1]) == due else wrong("pop", f'Pop out "{" ".join(due)}".')

    def _need(self, said: Claim) -> StepVerdict:
        hint = f"So the answer is {' '.join(self._closing)}"
        return kept("answer") if re.findall(_B, said[1]) == self._closing else wrong("answer", hint)
