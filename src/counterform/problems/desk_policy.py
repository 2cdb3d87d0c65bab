"""The returns desk: what it knows of a case, its ten tools, and its written policy as rules that can be checked.

A rule looks at where a case stands and at the next call, so it can say no before the call is made.
"""

from __future__ import annotations

import re
from collections.abc import Callable

from msgspec import Struct
from msgspec.structs import replace

READS = ("look up", "check date", "inspect", "check receipt", "ask manager", "ask consent")
WRITES = ("refund", "exchange", "store credit", "refuse")
"""The tools that end a case; their names are the answers."""
GIVES = WRITES[:3]
LIMIT = {"guest": 30, "member": 60}
"""Days after delivery; later is late."""
ASK_OVER = 50
"""Price above which the manager is asked."""
ITEMS = ("lamp", "chair", "kettle", "radio", "book", "coat", "clock", "phone", "toaster", "bag")
PAID = ("card", "cash", "voucher")
CONDITIONS = ("sealed", "opened", "broken")
_SOLD = ("full price", "on sale")
_TIME = ("in time", "late")
_YES = ("yes", "no")
RESULTS = {"check date": _TIME, "inspect": CONDITIONS} | dict.fromkeys(READS[3:], _YES)

_CALL = re.compile(
    rf"(wait, )?call (look up(?= order)|{'|'.join(READS[1:] + WRITES)})(?:(?<=up) order)?(?: (\d{{1,6}}))?"
    rf"(?: to ({'|'.join(PAID)}))?(?:: ([a-z\d, ]{{1,80}}))?\.?",
    re.IGNORECASE,
)
_ANSWER = re.compile(rf"(wait, )?the answer is ({'|'.join(WRITES)})\.?", re.IGNORECASE)
_RECORD = re.compile(
    rf"({'|'.join(ITEMS)}), (\d{{1,6}}), ({'|'.join(_SOLD)}), ({'|'.join(PAID)}), (\d{{1,6}}) days, ({'|'.join(LIMIT)})"
)
_ARGUMENTS = {"look up": "number", "refund": "number way", "store credit": "number"}


class Order(Struct, frozen=True, kw_only=True):
    """The facts of one case."""

    number: int
    item: str
    price: int
    sale: bool
    paid: str
    days: int
    customer: str
    condition: str
    receipt: bool
    wants: str

    @property
    def record(self) -> str:
        """What looking it up shows."""
        return f"{self.item}, {self.price}, {_SOLD[self.sale]}, {self.paid}, {self.days} days, {self.customer}"

    @property
    def prompt(self) -> str:
        """The case as it is put to a model that knows the desk."""
        return (
            f"You work at the returns desk. Order {self.number} is a {self.item} for {self.price}, {_SOLD[self.sale]}, "
            f"paid by {self.paid}, delivered {self.days} days ago. The {self.item} is {self.condition}. The customer is a "
            f"{self.customer}, has {'a' if self.receipt else 'no'} receipt and wants "
            f"{'a refund' if self.wants == 'refund' else 'an exchange'}. What do you do?"
        )


class Call(Struct, frozen=True):
    """One tool call with its result."""

    tool: str
    number: int | None = None
    """The order looked up, or the money given."""
    way: str = ""
    """Where a refund goes."""
    result: str = ""

    @property
    def sentence(self) -> str:
        """The call as a step of an attempt."""
        order = " order" if self.tool == "look up" else ""
        number = "" if self.number is None else f" {self.number}"
        way = self.way and f" to {self.way}"
        return f"Call {self.tool}{order}{number}{way}{self.result and f': {self.result}'}."


class State(Struct, frozen=True):
    """Where a case stands: the order as the attempt has read it so far, and the calls it has made."""

    order: Order
    dated: str = ""
    """The result of the date's check, once made."""
    made: frozenset[str] = frozenset()
    excused: frozenset[str] = frozenset()
    """Calls that are not asked for (again)."""
    written: str = ""
    """The write that was made."""

    def lacks(self, tool: str) -> bool:
        """Whether this call was not made, and still should be."""
        return tool not in self.made and tool not in self.excused

    @property
    def date(self) -> str:
        """In time or late."""
        return self.dated or _TIME[self.order.days > LIMIT[self.order.customer]]

    @property
    def refused(self) -> bool:
        """Whether the policy refuses this return."""
        return self.date == "late" and self.order.condition != "broken"

    @property
    def decision(self) -> str:
        """The one write that the policy allows."""
        order = self.order
        if self.refused:
            return "refuse"
        barred = order.sale if order.wants == "exchange" else not order.receipt
        return "store credit" if barred or order.condition == "opened" else order.wants

    @property
    def checks(self) -> tuple[str, ...]:
        """The calls that come before any decision."""
        return READS[1:4] if self.order.wants == "refund" else READS[1:3]

    def right(self, tool: str) -> Call:
        """The call of this tool as the facts have it."""
        order = self.order
        match tool:
            case "look up":
                return Call(tool, number=order.number, result=order.record)
            case "refund":
                return Call(tool, number=order.price, way=order.paid)
            case "store credit":
                return Call(tool, number=order.price)
            case "exchange" | "refuse":
                return Call(tool)
        results = {"check date": self.date, "inspect": order.condition, "check receipt": _YES[not order.receipt]}
        return Call(tool, result=results.get(tool, "yes"))  # the manager and the customer say yes when asked

    def way_to(self, decision: str) -> tuple[str, ...]:
        """The calls still to be made for this decision, itself the last."""
        asks = READS[4:] if self.order.price > ASK_OVER else READS[5:]
        before = ("look up", *self.checks, *(asks if decision in GIVES else ()))
        return (*filter(self.lacks, before), decision)

    @property
    def next_step(self) -> str:
        """What would be right now, as a sentence."""
        if self.written:
            return f"The answer is {self.written}."
        return self.right(self.way_to(self.decision)[0]).sentence

    def after(self, call: Call) -> State:
        """Where the case stands once the call was made and its result believed."""
        state, order = replace(self, made=self.made | {call.tool}), self.order
        match call.tool:
            case "look up":
                return replace(state, order=_as_recorded(order, call.result))
            case "check date":
                return replace(state, dated=call.result)
            case "inspect":
                return replace(state, order=replace(order, condition=call.result))
            case "check receipt":
                return replace(state, order=replace(order, receipt=call.result == "yes"))
            case _:
                return replace(state, written=self.written or (call.tool if call.tool in WRITES else ""))


class Rule(Struct, frozen=True):
    """One rule of a policy, about where a case stands and the call that is made there."""

    name: str
    text: str
    broken: Callable[[State, Call], bool]

    def check(self, state: State, call: Call) -> str | None:
        """None if the call keeps the rule, else what would be right in its place."""
        return state.next_step if self.broken(state, call) else None


POLICY = (
    Rule(
        "look up",
        "Look up the customer's order before any other call.",
        lambda s, c: c.number != s.order.number if c.tool == "look up" else s.lacks("look up"),
    ),
    Rule(
        "one write",
        "A refund, an exchange, store credit or a refusal ends the case: no call after it.",
        lambda s, c: bool(s.written),
    ),
    Rule("twice", "Make no call twice.", lambda s, c: c.tool in s.made),
    Rule(
        "checks",
        "Before you decide, check the date, inspect the item and, where a refund is wanted, check the receipt.",
        lambda s, c: c.tool in WRITES and any(map(s.lacks, s.checks)),
    ),
    Rule(
        "late",
        f"Refuse an item that comes late, over {LIMIT['guest']} days after delivery for a guest and over "
        f"{LIMIT['member']} for a member, unless it is broken. Refuse nothing else.",
        lambda s, c: c.tool in WRITES and (c.tool == "refuse") != s.refused,
    ),
    Rule(
        "opened",
        "For an opened item there is store credit only.",
        lambda s, c: c.tool in ("refund", "exchange") and s.order.condition == "opened",
    ),
    Rule("receipt", "No refund without a receipt.", lambda s, c: c.tool == "refund" and not s.order.receipt),
    Rule("sale", "An item bought on sale is never exchanged.", lambda s, c: c.tool == "exchange" and s.order.sale),
    Rule(
        "wish",
        "Give what the customer wants where these rules allow it, and store credit where they do not.",
        lambda s, c: c.tool in GIVES and c.tool != s.decision,
    ),
    Rule(
        "amount",
        "Refund or credit the price of the order.",
        lambda s, c: c.tool in ("refund", "store credit") and c.number != s.order.price,
    ),
    Rule("way back", "A refund goes back the way it was paid.", lambda s, c: bool(c.way) and c.way != s.order.paid),
    Rule(
        "manager",
        f"Ask the manager before you give anything for an item over {ASK_OVER}.",
        lambda s, c: c.tool in GIVES and s.order.price > ASK_OVER and s.lacks("ask manager"),
    ),
    Rule(
        "consent",
        "Ask the customer's consent before a refund, an exchange or store credit.",
        lambda s, c: c.tool in GIVES and s.lacks("ask consent"),
    ),
)
"""The policy of the desk. Of several rules that one call breaks, the first is named."""


def read_step(step: str) -> tuple[Call | None, str, bool]:
    """The call or the answer that a step is, and whether it starts with "Wait, "; neither where it cannot be read."""
    step = step.strip()
    if answer := _ANSWER.fullmatch(step):
        return None, answer[2].lower(), bool(answer[1])
    if found := _CALL.fullmatch(step):
        wait, tool, number, way, result = (group.lower() for group in found.groups(default=""))
        result = re.sub(r"\d+", lambda digits: str(int(digits[0])), result)
        results = RESULTS.get(tool, ("",))
        known = _RECORD.fullmatch(result) if tool == "look up" else result in results
        if known and " ".join(["number"] * bool(number) + ["way"] * bool(way)) == _ARGUMENTS.get(tool, ""):
            return Call(tool, int(number) if number else None, way, result), "", bool(wait)
    return None, "", False


def _as_recorded(order: Order, record: str) -> Order:
    found = _RECORD.fullmatch(record)
    if not found:
        return order
    item, price, sold, paid, days, customer = found.groups()
    return replace(
        order, item=item, price=int(price), sale=sold == "on sale", paid=paid, days=int(days), customer=customer
    )
