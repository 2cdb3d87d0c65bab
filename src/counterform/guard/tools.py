"""The guard before a tool call runs: a policy's rules asked by a decorator, so that a call that breaks one is never made."""

from __future__ import annotations

import functools
import inspect
from collections import Counter
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any, Literal, TypeVar

from msgspec.structs import replace

from counterform.errors import CallRefused
from counterform.guard.calls import Call, Result, State
from counterform.guard.patience import Patience
from counterform.guard.policy import Rule, judge, load_policy
from counterform.types import Mark, StepVerdict

_Tool = TypeVar("_Tool", bound=Callable[..., Any])


class Policy:
    """The rules of a policy file, asked before each call.

    on_unknown: what becomes of a call of which a rule could not tell (it raised, or hung longer than `seconds`).
    dry: nothing is refused, only counted. Raises StudyError for a file that is no policy.
    """

    def __init__(
        self,
        rules: str | Path | Sequence[Rule],
        *,
        on_unknown: Literal["pass", "refuse"] = "refuse",
        dry: bool = False,
        seconds: float = 5.0,
    ) -> None:
        self.rules = load_policy(rules) if isinstance(rules, str | Path) else tuple(rules)
        self.on_unknown, self.dry = on_unknown, dry
        self.counts: Counter[str] = Counter()
        """Calls: `asked`, `refused` (dry: would have been), `unknown`, and of each rule how often it was broken."""
        self._patience = Patience(seconds)
        self._texts = {rule.name: rule.text for rule in self.rules}

    def objections(self, state: State, call: Call) -> tuple[StepVerdict, ...]:
        """Why this call must not run: the rules that it breaks, and as chosen those that could not tell. Counted."""
        try:
            verdicts = self._patience.run(lambda: judge(self.rules, state, call))
        except Exception as error:
            verdicts = [StepVerdict(mark=Mark.UNKNOWN, rule="policy", hint=f"{type(error).__name__}: {error}"[:200])]
        broken = [verdict for verdict in verdicts if verdict.mark is Mark.WRONG]
        unknown = [verdict for verdict in verdicts if verdict.mark is Mark.UNKNOWN]
        found = tuple(broken + (unknown if self.on_unknown == "refuse" else []))
        self.counts["asked"] += 1
        self.counts["unknown"] += bool(unknown)
        self.counts["refused"] += bool(found)
        self.counts.update(verdict.rule for verdict in broken)
        return found

    def refusal(self, call: Call, objections: Sequence[StepVerdict]) -> str:
        """What the model is told in place of the tool's answer."""
        lines = [f"Refused: {call.name[:100]} was not run."]
        for verdict in objections:
            what = "It breaks the rule" if verdict.mark is Mark.WRONG else "It could not be checked against the rule"
            lines.append(f"{what}: {self._texts.get(verdict.rule, verdict.rule)} Hint: {verdict.hint}")
        return "\n".join(lines)


class Tools:
    """The tools of one conversation under a policy: `tools = Tools(policy); look = tools(look)`.

    A call that breaks a rule raises CallRefused, whose text is for the model, and the tool is not run. What the tools
    answer is part of the state that rules see; what is said, if it is told (`hear`).
    """

    def __init__(self, policy: Policy) -> None:
        self.policy = policy
        self.state = State()

    def hear(self, role: Literal["user", "assistant"], text: str) -> None:
        """Something was said in the conversation."""
        self.state = replace(self.state, messages=(*self.state.messages, (role, text)))

    def __call__(self, tool: _Tool) -> _Tool:
        """The same tool, plain or async, asked for under the policy."""
        names = inspect.signature(tool)

        def checked(args: tuple[Any, ...], kwargs: dict[str, Any]) -> Call:
            bound = names.bind(*args, **kwargs)
            bound.apply_defaults()
            call = Call(name=tool.__name__, arguments=dict(bound.arguments))
            objections = self.policy.objections(self.state, call)
            if objections and not self.policy.dry:
                raise CallRefused(self.policy.refusal(call, objections))
            return call

        def answered(call: Call, value: Any) -> Any:
            found = Result(call=call, text=str(value), value=value if isinstance(value, dict | list) else None)
            self.state = replace(self.state, results=(*self.state.results, found))
            return value

        if inspect.iscoroutinefunction(tool):

            @functools.wraps(tool)
            async def guarded_async(*args: Any, **kwargs: Any) -> Any:
                call = checked(args, kwargs)
                return answered(call, await tool(*args, **kwargs))

            return guarded_async  # type: ignore[return-value]

        @functools.wraps(tool)
        def guarded(*args: Any, **kwargs: Any) -> Any:
            call = checked(args, kwargs)
            return answered(call, tool(*args, **kwargs))

        return guarded  # type: ignore[return-value]
