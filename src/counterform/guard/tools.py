"""The guard before a tool call runs: a policy's rules asked by a decorator, so that a call that breaks one is never made."""

from __future__ import annotations

import asyncio
import functools
import inspect
import threading
from collections import Counter
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from counterform.errors import CallRefused, unknown_name
from counterform.guard.calls import Call, Log, Result, State
from counterform.guard.canonical import canonical, frozen
from counterform.guard.patience import Patience, in_a_thread
from counterform.guard.policy import Rule, judge_one, load_policy
from counterform.types import Mark, StepVerdict

_Tool = TypeVar("_Tool", bound=Callable[..., Any])


class Policy:
    """The rules of a policy file, asked before each call; from several threads at once, if need be.

    on_unknown: what becomes of a call of which a rule could not tell (it raised, or hung longer than `seconds`). A call
    that cannot be read, or has more than one meaning, is refused either way.
    dry: nothing is refused, only counted. Raises StudyError for a file that is no policy, ValueError for an option that
    there is not.
    """

    def __init__(
        self,
        rules: str | Path | Sequence[Rule],
        *,
        on_unknown: Literal["pass", "refuse"] = "refuse",
        dry: bool = False,
        seconds: float = 5.0,
    ) -> None:
        if on_unknown not in ("pass", "refuse"):
            raise ValueError(unknown_name("on_unknown", on_unknown, ("pass", "refuse")))
        if seconds <= 0:
            raise ValueError(f"seconds must be positive, and not {seconds}")
        self.rules = load_policy(rules) if isinstance(rules, str | Path) else tuple(rules)
        self.on_unknown, self.dry = on_unknown, dry
        self.counts: Counter[str] = Counter()
        """Calls: `asked`, `refused` (dry: would have been), `unknown`, and of each rule how often it was broken."""
        self._counting = threading.Lock()
        # One for each rule: a rule that hangs is the only one that is no more asked.
        self._asked = [(rule, Patience(seconds)) for rule in self.rules]
        self._texts = {rule.name: rule.text for rule in self.rules}

    def verdicts(self, state: State, call: Call) -> list[StepVerdict]:
        """What every rule says of a call; of one that cannot be read, that alone (rule `call`)."""
        if call.unread:
            return [StepVerdict(mark=Mark.UNKNOWN, rule="call", hint=call.unread)]
        return [
            judge_one(rule, lambda check, patience=patience: patience.run(lambda: check(state, call)), call)  # type: ignore[misc]
            for rule, patience in self._asked
        ]

    def objections(self, state: State, call: Call) -> tuple[StepVerdict, ...]:
        """Why this call must not run: the rules that it breaks, and as chosen those that could not tell. Counted."""
        verdicts = self.verdicts(state, call)
        broken = [verdict for verdict in verdicts if verdict.mark is Mark.WRONG]
        unknown = [verdict for verdict in verdicts if verdict.mark is Mark.UNKNOWN]
        found = tuple(broken + (unknown if self.on_unknown == "refuse" or call.unread else []))
        with self._counting:
            self.counts["asked"] += 1
            self.counts["unknown"] += bool(unknown)
            self.counts["refused"] += bool(found)
            self.counts.update(verdict.rule for verdict in broken)
        return found

    def refusal(self, call: Call, objections: Sequence[StepVerdict]) -> str:
        """What the model is told in place of the tool's answer."""
        lines = [f"Refused: {call.name[:100]} was not run."]
        for verdict in objections:
            if call.unread:
                lines.append(f"The call cannot be read: {verdict.hint}")
                continue
            what = "It breaks the rule" if verdict.mark is Mark.WRONG else "It could not be checked against the rule"
            lines.append(f"{what}: {self._texts.get(verdict.rule, verdict.rule)} Hint: {verdict.hint}")
        return "\n".join(lines)


class Tools:
    """The tools of one conversation under a policy: `tools = Tools(policy); look = tools(look)`.

    A call that breaks a rule raises CallRefused, whose text is for the model, and the tool is not run. What the tools
    answer is part of the state that rules see, and so is a call from the moment it is let through (`pending`), in
    threads and under asyncio too; what is said, if it is told (`hear`).
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self._messages: list[tuple[str, str]] = []
        self._results: list[Result] = []
        self._running: dict[int, Result] = {}
        self._number = 0
        self._lock = threading.Lock()

    @property
    def state(self) -> State:
        """Where the conversation stands."""
        return State(messages=Log(self._messages), results=Log(self._results, tuple(self._running.values())))

    def hear(self, role: Literal["user", "assistant"], text: str) -> None:
        """Something was said in the conversation."""
        self._messages.append((role, text))

    def __call__(self, tool: _Tool) -> _Tool:
        """The same tool, plain or async, asked for under the policy. Raises TypeError for one without a name."""
        name, bind = _named(tool)

        def started(args: tuple[Any, ...], kwargs: dict[str, Any]) -> int:
            return self._start(_call(name, bind(*args, **kwargs)))

        if _is_async(tool):

            @functools.wraps(tool)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                # Rules are anybody's code, and may take their time: other coroutines go on.
                starting = asyncio.ensure_future(in_a_thread(lambda: started(args, kwargs)))
                try:
                    number = await asyncio.shield(starting)
                except asyncio.CancelledError:
                    starting.add_done_callback(self._never_ran)
                    raise
                return await self._awaited(number, tool(*args, **kwargs))

            return guarded_async  # type: ignore[return-value]

        @functools.wraps(tool)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            number = started(args, kwargs)
            try:
                value = tool(*args, **kwargs)
            except BaseException as error:
                self._end(number, None, error)
                raise
            if inspect.isawaitable(value):
                return self._awaited(number, value)
            self._end(number, value)
            return value

        return guarded  # type: ignore[return-value]

    def _start(self, call: Call) -> int:
        """Judge a call, and from then on show it as one that runs. Raises CallRefused."""
        with self._lock:
            objections = self.policy.objections(self.state, call)
            if objections and not self.policy.dry:
                raise CallRefused(self.policy.refusal(call, objections))
            self._number += 1
            self._running[self._number] = Result(call=call, text="", pending=True)
            return self._number

    def _end(self, number: int, value: Any, error: BaseException | None = None) -> None:
        """A call is over. Of one that failed nobody knows what it did, so it stays in the state, with its error."""
        text = str(value) if error is None else f"{type(error).__name__}: {error}"
        shown = frozen(value) if isinstance(value, dict | list) else None
        with self._lock:
            call = self._running.pop(number).call
            self._results.append(Result(call=call, text=text, value=shown))

    def _never_ran(self, starting: asyncio.Future[int]) -> None:
        """A call was given up while it was judged."""
        if not starting.cancelled() and starting.exception() is None:
            with self._lock:
                self._running.pop(starting.result(), None)

    async def _awaited(self, number: int, answer: Awaitable[Any]) -> Any:
        try:
            value = await answer
        except BaseException as error:
            self._end(number, None, error)
            raise
        self._end(number, value)
        return value


def _named(tool: Callable[..., Any]) -> tuple[str, Callable[..., inspect.BoundArguments]]:
    """A tool's name, and how its arguments are bound; what `partial` has filled in is an argument like any other."""
    given: tuple[Any, ...] = ()
    filled: dict[str, Any] = {}
    inner = tool
    while isinstance(inner, functools.partial):
        given, filled, inner = (*inner.args, *given), {**inner.keywords, **filled}, inner.func
    name = inner.__name__ if inspect.isroutine(inner) else type(inner).__name__
    signature = inspect.signature(inner)
    return name, lambda *args, **kwargs: signature.bind(*given, *args, **{**filled, **kwargs})


def _call(name: str, bound: inspect.BoundArguments) -> Call:
    """The call as rules see it: its defaults written out, and no argument hidden in a `**` parameter."""
    bound.apply_defaults()
    arguments = dict(bound.arguments)
    for parameter in bound.signature.parameters.values():
        if parameter.kind is inspect.Parameter.VAR_KEYWORD:
            more = arguments.pop(parameter.name, {})
            twice = sorted(set(more) & set(arguments))
            if twice:
                return Call(name=name, unread=f"the argument {twice[0]!r} is given twice")
            arguments |= more
    try:
        return Call(name=name, arguments=canonical(arguments))
    except ValueError as error:
        return Call(name=name, unread=str(error))


def _is_async(tool: Callable[..., Any]) -> bool:
    while isinstance(tool, functools.partial):
        tool = tool.func
    return inspect.iscoroutinefunction(tool) or inspect.iscoroutinefunction(type(tool).__call__)
