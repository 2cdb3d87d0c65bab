"""The desk family: one case at a returns desk, worked through with tools and under a written policy.

    Order 12 is a lamp for 40, on sale, paid by card, delivered 20 days ago. The lamp is opened. ...
    Call look up order 12: lamp, 40, on sale, card, 20 days, guest. Call check date: in time. Call inspect: opened.
    Call ask consent: yes. Call store credit 40. The answer is store credit.

Ten tools and a policy of thirteen rules over what is known and the next call. The answer is the decision alone, so a
run can end well and still have broken a rule: nobody was asked, or the money went back another way.
"""

from __future__ import annotations

from collections.abc import Iterable
from hashlib import blake2b

import numpy as np
from msgspec import to_builtins
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.problems.desk_policy import (
    CONDITIONS,
    GIVES,
    ITEMS,
    LIMIT,
    PAID,
    POLICY,
    READS,
    RESULTS,
    WRITES,
    Call,
    Order,
    State,
    read_step,
)
from counterform.types import Family, Mark, PlantedError, Problem, StepVerdict, Watch

LENGTHS = (4, 5, 6, 7)
"""Calls of a worked solution; one of 4 always refuses."""
PATIENCE = 10_000
"""Draws in a row without a new problem before giving up."""

_KEYWORDS = {tool: "look" if tool == "look up" else tool.split()[-1] for tool in READS + WRITES}


class Desk(Family):
    """Generator, worked solution and step verifier of the family.

    `policy`: every prompt says the whole policy and how calls are written, for a model that was not raised on them.
    """

    name = "desk"
    bounded = True

    def __init__(self, *, policy: bool = False) -> None:
        self._policy = policy

    def generate(self, n: int, *, rng: np.random.Generator, lengths: Iterable[int] = LENGTHS) -> list[Problem]:
        """`n` different problems whose worked solutions have as many calls as one of `lengths`."""
        lengths = tuple(lengths)
        found: dict[str, Problem] = {}
        misses = 0
        while len(found) < n:
            if misses == PATIENCE:
                raise DataError(
                    f"found {len(found)} of the {n} different desk problems asked for, of lengths {lengths}. "
                    f"Ask for fewer, or for other lengths: [problems] train, held_out, lengths; there are {LENGTHS}."
                )
            misses += 1
            start = State(_order(rng))
            if len(start.way_to(start.decision)) not in lengths:
                continue
            problem = _problem(start)
            if problem.id not in found:
                found[problem.id] = problem
                misses = 0
        return [with_policy(problem) if self._policy else problem for problem in found.values()]

    def start(self, problem: Problem) -> DeskWatch:
        """A step verifier for one attempt at `problem`."""
        return DeskWatch(problem)

    def plant_errors(self, problem: Problem, *, rng: np.random.Generator) -> list[PlantedError]:
        """The worked solution broken once in every kind of way that this case allows, and carried on."""
        broken = {kind: broken_steps(Order(**problem.facts), kind, rng) for kind in NOISE}
        return [
            PlantedError(text=" ".join(made[0]), kind=kind, first_error=made[1])
            for kind, made in broken.items()
            if made
        ]


class DeskWatch(Watch):
    """Replays the calls of one attempt and believes their results, so that one misreading is not counted again."""

    def __init__(self, problem: Problem) -> None:
        self._state = self._before = State(Order(**problem.facts))
        self._began = False
        self._perhaps: frozenset[str] = frozenset()
        """Calls that text nobody could read may have made."""

    def feed(self, step: str) -> StepVerdict:
        """Grade one sentence. RIGHT, WRONG with the rule broken and what would be right, or UNKNOWN."""
        call, answer, wait = read_step(step)
        # A write is done; no word takes it back.
        mends = wait and self._began and self._state.written == self._before.written
        if mends:
            self._state = self._before
        self._before, self._began = self._state, True
        if call:
            return replace(self._grade(call), mends=mends)
        if answer:
            return replace(self._grade_answer(answer), mends=mends)
        said = step.casefold()
        self._perhaps |= {tool for tool, word in _KEYWORDS.items() if word in said or "call" in said}
        return StepVerdict(mark=Mark.UNKNOWN, rule="unread")

    def _grade(self, call: Call) -> StepVerdict:
        state, right = self._state, self._state.right(call.tool)
        self._state = state.after(call)
        charitable = replace(state, excused=state.excused | self._perhaps)
        doubtful = False
        for rule in POLICY:
            hint = rule.check(state, call)
            if hint and rule.check(charitable, call):
                if rule.name == "look up":  # said once, and still to be made good
                    made = self._state.made - {"look up"}
                    self._state = replace(self._state, made=made, excused=state.excused | {"look up"})
                return StepVerdict(mark=Mark.WRONG, rule=rule.name, hint=hint)
            doubtful = doubtful or hint is not None
        if call.result != right.result:
            return StepVerdict(mark=Mark.WRONG, rule="result", hint=right.sentence)
        return (
            StepVerdict(mark=Mark.UNKNOWN, rule="unread") if doubtful else StepVerdict(mark=Mark.RIGHT, rule="policy")
        )

    def _grade_answer(self, answer: str) -> StepVerdict:
        state = self._state
        if not state.made and not state.written and not self._perhaps:
            return StepVerdict(mark=Mark.UNKNOWN, rule="no steps")
        if not state.written and self._perhaps.isdisjoint(WRITES):
            return StepVerdict(mark=Mark.WRONG, rule="unfinished", hint=state.next_step)
        due = state.written or state.decision
        if answer != due:
            return StepVerdict(mark=Mark.WRONG, rule="answer", hint=f"The answer is {due}.")
        return StepVerdict(mark=Mark.RIGHT, rule="answer")


NOISE = {
    "misread": 8,
    "decision": 12,
    "skip": 3,
    "other order": 1,
    "amount": 1,
    "way back": 1,
    "repeat": 1,
    "second write": 1,
    "unfinished": 1,
    "answer": 2,
}
"""Kinds of error, and how often each is drawn. Three in five change the answer; the others only break a rule."""
MENDABLE = ("misread", "other order", "answer")


def noisy_attempt(problem: Problem, rng: np.random.Generator, *, unnoticed: float, mended: float) -> list[str]:
    """An attempt with honest noise: an error carried on to the end, one taken back at once, or the worked solution."""
    order = Order(**problem.facts)
    sound, draw = carried_on(State(order)), rng.random()
    if draw >= unnoticed + mended:
        return sound
    kinds = NOISE if draw < unnoticed else MENDABLE
    weights = np.array([NOISE[kind] for kind in kinds], dtype=float)
    broken = None
    while broken is None:  # not every case allows every kind
        broken = broken_steps(order, str(rng.choice(tuple(kinds), p=weights / weights.sum())), rng)
    steps, at = broken
    if draw < unnoticed:
        return steps
    return [*steps[: at + 1], f"Wait, {sound[at][0].lower()}{sound[at][1:]}", *sound[at + 1 :]]


def carried_on(state: State, decision: str = "") -> list[str]:
    """The steps from here to this decision or, left out, to the right one."""
    steps = []
    while not state.written:
        call = state.right(state.way_to(decision or state.decision)[0])
        state = state.after(call)
        steps.append(call.sentence)
    return [*steps, state.next_step]


def broken_steps(order: Order, kind: str, rng: np.random.Generator) -> tuple[list[str], int] | None:
    """The worked solution with one error of a kind, and the index of the wrong step; None where this case has no such.

    A result that is misread is believed. A decision that is wrong is come to by the calls that it needs.
    """
    start = State(order)
    sound = carried_on(start)
    end = len(sound) - 2
    way, write = start.way_to(start.decision), start.right(start.decision)
    other = str(rng.choice([tool for tool in WRITES if tool != write.tool]))
    match kind:
        case "misread" | "other order":
            at = int(rng.integers(1 + len(start.checks))) if kind == "misread" else 0
            right = start.right(way[at])
            other_order = replace(right, number=_another(rng, order.number))
            wrong = _misread(order, right, rng) if kind == "misread" else other_order
            state = replace(start, made=frozenset(way[:at]))
            return [*sound[:at], wrong.sentence, *carried_on(state.after(wrong))], at
        case "skip":
            tool = str(rng.choice(way[:-1]))
            steps = carried_on(replace(start, excused=frozenset({tool})))
            return steps, 0 if tool == "look up" else end - 1
        case "decision":
            steps = carried_on(start, other)
            return steps, len(steps) - 2
        case "amount" if write.number:
            wrong = replace(write, number=_another(rng, order.price))
            return [*sound[:end], wrong.sentence, sound[-1]], end
        case "way back" if write.way:
            wrong = replace(write, way=str(rng.choice([paid for paid in PAID if paid != order.paid])))
            return [*sound[:end], wrong.sentence, sound[-1]], end
        case "repeat":
            at = int(rng.integers(1, end + 1))
            return [*sound[:at], sound[int(rng.integers(at))], *sound[at:]], at
        case "second write":
            return [*sound[:-1], start.right(other).sentence, sound[-1]], end + 1
        case "unfinished":
            return [*sound[:end], sound[-1]], end
        case "answer":
            return [*sound[:-1], f"The answer is {other}."], end + 1
    return None


def with_policy(problem: Problem) -> Problem:
    """The same problem, with the policy and the way to write a call said in the prompt."""
    rules = "\n".join(f"{number}. {rule.text}" for number, rule in enumerate(POLICY, 1))
    example = Order(
        number=70, item="clock", price=60, sale=False, paid="card", days=2, customer="member", condition="sealed",
        receipt=True, wants="refund",
    )  # fmt: skip
    calls = [State(example).right(tool).sentence for tool in READS + WRITES]
    return replace(
        problem,
        prompt=f"The policy of the returns desk:\n{rules}\n\nThere are {len(calls)} tools. Write each call with what it "
        f"shows as a sentence of its own, in these forms:\n{chr(10).join(calls)}\nThe manager and the customer say yes when "
        f'asked. End with the call that you decided on: "The answer is X.", where X is {", ".join(GIVES)} or {WRITES[-1]}.'
        f"\n\n{problem.prompt}",
    )


def _another(rng: np.random.Generator, number: int) -> int:
    """Another number from 1 to 99."""
    return (number + int(rng.integers(1, 99)) - 1) % 99 + 1


def _misread(order: Order, call: Call, rng: np.random.Generator) -> Call:
    """The call with another result."""
    if call.tool != "look up":
        return replace(call, result=str(rng.choice([r for r in RESULTS[call.tool] if r != call.result])))
    wrong = {
        "item": str(rng.choice([item for item in ITEMS if item != order.item])),
        "price": _another(rng, order.price),
        "sale": not order.sale,
        "paid": str(rng.choice([paid for paid in PAID if paid != order.paid])),
        "days": 2 + (order.days - 2 + int(rng.integers(1, 69))) % 69,
        "customer": "guest" if order.customer == "member" else "member",
    }
    field = str(rng.choice(tuple(wrong)))
    return replace(call, result=replace(order, **{field: wrong[field]}).record)


def _order(rng: np.random.Generator) -> Order:
    """A case; the shares make the four decisions about equally frequent."""
    return Order(
        number=int(rng.integers(1, 100)),
        item=str(rng.choice(ITEMS)),
        price=int(rng.integers(1, 100)),
        sale=bool(rng.random() < 0.3),
        paid=str(rng.choice(PAID)),
        days=int(rng.integers(2, 71)),
        customer=str(rng.choice(tuple(LIMIT))),
        condition=str(rng.choice(CONDITIONS, p=(0.5, 0.2, 0.3))),
        receipt=bool(rng.random() < 0.75),
        wants=str(rng.choice(GIVES[:2])),
    )


def _problem(start: State) -> Problem:
    prompt = start.order.prompt
    return Problem(
        id=f"desk-{blake2b(prompt.encode(), digest_size=6).hexdigest()}",
        prompt=prompt,
        answer=start.decision,
        family="desk",
        solution=" ".join(carried_on(start)),
        facts=to_builtins(start.order),
    )
