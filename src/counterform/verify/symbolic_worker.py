"""The process that asks math-verify: one JSON pair a line in, one JSON grade a line out.

A program of its own, run by path, so that it loads sympy and nothing of the study around it. math-verify keeps time
with SIGALRM, which works in a main thread only; here one alarm covers parsing and comparison together.
"""

from __future__ import annotations

import json
import logging
import os
import resource
import signal
import sys
from typing import Any

from math_verify import parse, verify

MAX_MEMORY = 2 << 30
"""Bytes; `9^{9^{9}}` must not take the machine with it."""
TINY = 1e-6
"""math-verify compares to so many places that two different values below this are the same to it."""


class _OutOfTime(BaseException):
    """Not an Exception, so that the many `except Exception` on its way let it pass."""


def grade(key: str, answer: str) -> tuple[str, str]:
    """The mark of an answer, and the reason where it is unknown."""
    gold, given = (_formulas(parse(f"${text}$", parsing_timeout=None, raise_on_error=True)) for text in (key, answer))
    if not gold or not given:
        return "unknown", f"math-verify cannot read the {'answer' if gold else 'answer key'}"
    if not verify(gold, given, timeout_seconds=None, raise_on_error=True):
        return "wrong", ""
    if gold[0] != given[0] and _is_tiny(gold[0]) and _is_tiny(given[0]):
        return "unknown", "both values are too small for math-verify to tell apart"
    return "right", ""


def _formulas(parsed: list[Any]) -> list[Any]:
    """What was understood; math-verify adds the raw string, which is no understanding."""
    return [value for value in parsed if not isinstance(value, str)]


def _is_tiny(value: Any) -> bool:
    return bool(getattr(value, "is_number", False)) and abs(complex(value.evalf(5))) < TINY


def _ring(_signal: int, _frame: object) -> None:
    raise _OutOfTime


def main(seconds: float) -> None:
    """Answer until the input ends."""
    logging.disable(logging.CRITICAL)  # math-verify warns that its own time-out is off
    resource.setrlimit(resource.RLIMIT_AS, (MAX_MEMORY, MAX_MEMORY))
    signal.signal(signal.SIGALRM, _ring)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    replies = os.fdopen(os.dup(1), "w")
    os.dup2(2, 1)  # a library that prints must not write into the replies
    for line in sys.stdin:
        try:
            signal.setitimer(signal.ITIMER_REAL, seconds)
            reply = grade(*json.loads(line))
        except _OutOfTime:
            reply = ("unknown", f"math-verify took more than {seconds:g} s")
        except Exception as error:
            reply = ("unknown", f"math-verify failed: {type(error).__name__}")
        finally:
            signal.setitimer(signal.ITIMER_REAL, 0)
        replies.write(json.dumps(reply) + "\n")
        replies.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
