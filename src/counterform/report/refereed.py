"""A referee's ledger and its verdicts in the terminal and as JSON. No score stands in either."""

from __future__ import annotations

import msgspec

from counterform.findings.ruling import Buy, Ruling
from counterform.referee.entries import Contrast, Released, Verdict
from counterform.referee.ledger import Ledger
from counterform.text.plain import plain_json, plain_line


def lines(book: Ledger) -> list[str]:
    """What was declared, and every look that was taken."""
    declared, looks = book.declared, book.looks
    plan = f"{declared.candidates} candidates" if declared.candidates else "any number of candidates"
    out = [
        f"declared {declared.when}: better than {declared.base}, {declared.items:,} items, alpha {declared.alpha:g} over {plan}",
        *(
            f"  {contrast}: {'higher' if contrast.up else 'lower'} is better, and a difference of {_margin(contrast)} matters"
            for contrast in declared.contrasts
        ),
    ]
    for look in looks:
        said = "; ".join(f"{_named(verdict)}: {verdict.ruling.value}" for verdict in look.verdicts)
        out.append(f"{look.number:>4}  {look.when}  {look.log}: {said}")
    out.append(f"{len(looks)} looks taken, {_percent(declared.left(len(looks)))} of alpha left; receipt {book.receipt}")
    return [plain_line(line) for line in out]


def verdict_lines(released: Released) -> list[str]:
    """What is released of one candidate."""
    out = [f"{_named(verdict)}: {_verdict(verdict)}" for verdict in released.look.verdicts]
    spent = (
        f"look {released.look.number}, {released.look.level:.2g} of alpha spent" if released.spent else "nothing spent"
    )
    out += [f"! {note}" for note in released.notes]
    out.append(f"{spent}, {_percent(released.alpha_left)} left; receipt {released.receipt}")
    return [plain_line(line) for line in out]


def as_json(book: Ledger) -> str:
    """The whole ledger."""
    shown = {
        "declared": msgspec.to_builtins(book.declared),
        "looks": [msgspec.to_builtins(look) for look in book.looks],
        "alpha_left": book.declared.left(len(book.looks)),
        "receipt": book.receipt,
    }
    return plain_json(msgspec.json.encode(shown).decode())


def verdict_as_json(released: Released) -> str:
    """What is released of one candidate."""
    return plain_json(msgspec.json.encode(msgspec.to_builtins(released) | {"exit_code": released.code}).decode())


def _verdict(verdict: Verdict) -> str:
    ruling: str = verdict.ruling.value
    return f"{ruling}; {_purchase(verdict)}" if verdict.ruling is Ruling.NOT_SHOWN else ruling


def _purchase(verdict: Verdict) -> str:
    if verdict.buy is Buy.SEED:
        return "buy one more seed of both arms: luck of training is what is left"
    elif verdict.buy is Buy.ITEMS:
        return f"buy {verdict.more:,} more items, in a new ledger: fewer could not show the declared difference"
    return "nothing to buy: a difference that matters would have been found in four of five"


def _named(verdict: Verdict) -> str:
    return f"{verdict.task} {verdict.metric}" if verdict.task else verdict.metric


def _margin(contrast: Contrast) -> str:
    return f"{100 * contrast.margin:g} points" if contrast.share else f"{contrast.margin:g}"


def _percent(alpha: float) -> str:
    return f"{100 * alpha:.3g} %"
