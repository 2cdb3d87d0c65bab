"""The process that runs drafted rules: one JSON job a line in, one JSON reply a line out.

Before it reads anything it gives up what it could do harm with: it can open no file or socket, start no process and write no
file, its memory is bounded, and an alarm ends what takes too long. Code that comes here has passed `language.py`; it is given the
functions of the language and nothing else.
"""

from __future__ import annotations

import contextlib
import json
import os
import resource
import signal
import sys
from collections.abc import Callable
from datetime import datetime, timedelta
from typing import Any

from counterform.guard.calls import Call, Conversation, Result, State
from counterform.guard.canonical import frozen

MAX_MEMORY = 1 << 30
_NOBODY = 65_534
_GIVEN = {
    "__builtins__": {
        one.__name__: one
        for one in (
            abs,
            all,
            any,
            float,
            int,
            len,
            max,
            min,
            round,
            set,
            sorted,
            str,
            sum,
            LookupError,
            datetime,
            timedelta,
        )
    }
}
Rule = Callable[[State, Call], Any]


class _OutOfTime(BaseException):
    """Not an Exception, so that nothing on its way takes it for one of the rule's own."""


def give_up_privileges() -> None:
    """From here on this process can compute, and answer."""
    os.chdir("/")
    for limit, most in (
        (resource.RLIMIT_AS, MAX_MEMORY),
        (resource.RLIMIT_FSIZE, 0),
        (resource.RLIMIT_CORE, 0),
        (resource.RLIMIT_NPROC, 0),
        (resource.RLIMIT_NOFILE, 0),
    ):
        resource.setrlimit(limit, (most, most))
    if os.geteuid() == 0:  # the number of processes does not bound root
        with contextlib.suppress(OSError):  # in a container that may not
            os.setgroups([])
            os.setresgid(_NOBODY, _NOBODY, _NOBODY)
            os.setresuid(_NOBODY, _NOBODY, _NOBODY)


def states(job: dict[str, Any]) -> list[tuple[State, Call]]:
    """The states and calls of a job: of examples, or of the messages of one recorded conversation."""
    if "messages" in job:
        talk = Conversation()
        return [pair for message in job["messages"] for pair in talk.feed(message)]
    return [_state(case) for case in job["cases"]]


def marks(code: str, pairs: list[tuple[State, Call]], seconds: float) -> list[str]:
    """What a rule says of each: `breaks`, `keeps`, `unsure` where it says itself that it cannot tell, or why it could not."""
    found: list[str] = []
    try:
        signal.setitimer(signal.ITIMER_REAL, seconds)
        rule = _compiled(code)
        for state, call in pairs:
            found.append(_mark(rule, state, call))
    except _OutOfTime:
        found += [f"could not tell: more than {seconds:g} s"] * (len(pairs) - len(found))
    finally:
        signal.setitimer(signal.ITIMER_REAL, 0)
    return found


def _compiled(code: str) -> Rule:
    names: dict[str, Any] = dict(_GIVEN)
    exec(compile(code, "rule", "exec"), names)
    rule: Rule = next(value for name, value in names.items() if name != "__builtins__")
    return rule


def _mark(rule: Rule, state: State, call: Call) -> str:
    if call.unread:
        return "could not tell: the call cannot be read"
    try:
        return "keeps" if rule(state, call) is None else "breaks"
    except Exception as error:
        if type(error) is LookupError:  # what the language has for saying so
            return "unsure"
        return f"could not tell: {type(error).__name__}: {error}"[:200]


def _state(case: dict[str, Any]) -> tuple[State, Call]:
    results = tuple(
        Result(
            call=Call(name=one["tool"], arguments=frozen(one["arguments"])),
            text=json.dumps(one["answer"]),
            value=frozen(one["answer"]),
        )
        for one in case["earlier"]
    )
    call = Call(name=case["tool"], arguments=frozen(case["arguments"]), said=case["agent"], beside=case["other_calls"])
    return State(messages=(("user", case["user"]),) if case["user"] else (), results=results), call


def _ring(_signal: int, _frame: object) -> None:
    raise _OutOfTime


def main(seconds: float) -> None:
    """Answer until the input ends."""
    signal.signal(signal.SIGALRM, _ring)
    signal.signal(signal.SIGINT, signal.SIG_IGN)  # the parent decides when to stop
    give_up_privileges()
    for line in sys.stdin:
        job = json.loads(line)
        pairs = states(job)
        reply = json.dumps([marks(code, pairs, seconds) for code in job["codes"]])
        sys.stdout.write(reply + "\n")
        sys.stdout.flush()


if __name__ == "__main__":
    main(float(sys.argv[1]))
