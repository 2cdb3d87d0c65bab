"""The rules by which a recorded study's figures decide a claim: a difference, a level, or what is kept of a trait. Pure."""

from __future__ import annotations

from collections.abc import Iterator
from math import isnan
from typing import Literal

from msgspec import Struct
from msgspec.structs import replace

from counterform.claims.recorded import Recorded
from counterform.metrics import Measured, Shift
from counterform.results import Finding, Level
from counterform.study import BASE_ARM
from counterform.text.numbers import percent, points

ClaimVerdict = Literal["supported", "refuted", "undecided", "not asked"]


class Found(Struct, frozen=True, kw_only=True):
    """What one study says to one claim."""

    verdict: ClaimVerdict
    what: str
    """Which models were compared, or what was read of which."""
    figures: str
    """The number with its interval, and how much it was read from."""
    lacking: str = ""
    """Of what is undecided: the smallest effect that would have been found, and what would decide it."""


class Difference(Struct, frozen=True, kw_only=True):
    """Of two arms, the paired difference of one measurement."""

    of: Measured
    arm: str
    versus: str
    way: Literal["more", "less", "alike"]
    """more, less: clear of 0 after the study's own correction. alike: at most `margin` below."""
    margin: float = 0.05
    floor: float = 0.0
    """Undecided unless `versus` stands above this share: elsewhere there is nothing to lose."""

    def words(self) -> str:
        """The rule as a reader needs it."""
        head = f"{self.arm} − {self.versus}, {self.of.words}"
        if self.way == "alike":
            least = f"its 95 % interval ends no lower than −{_number(self.margin)} points"
            return f"{head}: {least}; undecided unless {self.versus} gains over the base model"
        floor = f"; undecided unless {self.versus} stands above {_number(self.floor)} %" if self.floor else ""
        return f"{head}: clear of 0 and {'above' if self.way == 'more' else 'below'} it (Holm){floor}"

    def read(self, study: Recorded) -> Iterator[Found]:
        """One a pair of arms that the study compares."""
        here = {(f.arm, f.versus): f for f in study.results.findings if f.key == self.of.key}
        for arm in study.arms(self.arm):
            for versus in study.arms(self.versus):
                found = here.get((arm, versus)) or _turned(here.get((versus, arm)))
                if found is None or isnan(found.estimate):
                    continue
                gain = here.get((versus, BASE_ARM))
                verdict = self._verdict(found, gain)
                yield Found(
                    verdict=verdict,
                    what=f"{arm} − {versus}",
                    figures=self._figures(found, gain),
                    lacking=self._lacking(found, gain) if verdict == "undecided" else "",
                )

    def _verdict(self, found: Finding, gain: Finding | None) -> ClaimVerdict:
        if self.way != "alike":
            if found.verdict == "undecided" or self._at_floor(found):
                return "undecided"
            return "supported" if (found.estimate > 0) == (self.way == "more") else "refuted"
        if not _gains(gain):
            return "undecided"
        if found.low > -self.margin:
            return "supported"
        return "refuted" if found.high < -self.margin else "undecided"

    def _lacking(self, found: Finding, gain: Finding | None) -> str:
        if self.way == "alike" and not _gains(gain):
            return f"{found.versus} must gain over the base model first"
        if self._at_floor(found):
            return f"{found.versus} must stand above {_number(self.floor)} % first; here {100 * found.baseline:.1f} %"
        far = abs(found.estimate + self.margin if self.way == "alike" else found.estimate)
        return f"MDE {points(found.mde, signed=False)} points{_readings(found.mde, far)}"

    def _at_floor(self, found: Finding) -> bool:
        return found.baseline <= self.floor > 0

    def _figures(self, found: Finding, gain: Finding | None) -> str:
        moved = f"{points(found.estimate)} points [{points(found.low)}, {points(found.high)}]"
        size = f"{found.n_items:,} items, {_seeds(found.n_seeds)}"
        if self.way == "alike" and gain and not _gains(gain):
            own = f"{points(gain.estimate)} [{points(gain.low)}, {points(gain.high)}]"
            return f"{moved}; but {found.versus} itself gains nothing clear: {own} ({size})"
        return f"{moved} ({size})"


class Above(Struct, frozen=True, kw_only=True):
    """A measurement, and the share above which it must stand."""

    of: Measured
    least: float


class Standing(Struct, frozen=True, kw_only=True):
    """Where one model stands on one measurement, against a bound or against a guess."""

    of: Measured
    arm: str
    way: Literal["above", "below", "near a guess"]
    """With its whole 95 % interval. near a guess: within `bound` of the random baseline."""
    bound: float
    axis: str = ""
    """Read at the first level beyond training on this axis of shift."""
    given: Above | None = None
    """Undecided unless the same model stands clearly above this: elsewhere there is nothing to lose."""

    def words(self) -> str:
        """The rule as a reader needs it."""
        where = f", one level beyond training on the axis {self.axis}" if self.axis else ""
        head = f"{self.arm if self.arm != BASE_ARM else 'the model as it came'}, {self.of.words}{where}"
        bound = {
            "above": f"above {_number(self.bound)} %",
            "below": f"under {_number(self.bound)} %",
            "near a guess": f"within {_number(self.bound)} points of a random guess",
        }[self.way]
        given = (
            f"; undecided unless {self.given.of.words} stands above {_number(self.given.least)} %" if self.given else ""
        )
        learnt = "; refuted only if the base model stands under it" if self.axis else ""
        return f"{head}: its whole 95 % interval {bound}{given}{learnt}"

    def read(self, study: Recorded) -> Iterator[Found]:
        """One an arm of this kind."""
        shift = _first_beyond(study, self.of, self.axis) if self.axis else None
        if self.axis and shift is None:
            return
        key = replace(self.of, shift=shift).key
        levels = {(level.key, level.arm): level for level in study.results.levels}
        guess = next((line.value for line in study.results.baselines if (line.key, line.name) == (key, "random")), None)
        for arm in study.arms(self.arm):
            level = levels.get((key, arm))
            if level is None or (guess is None and self.way == "near a guess"):
                continue
            given = levels.get((self.given.of.key, arm)) if self.given else None
            beside = (
                f"; {'in distribution' if self.axis else self.given.of.words} {_level(given)}"
                if self.given and given
                else ""
            )
            base = levels.get((key, BASE_ARM)) if self.axis else None
            beside += f"; base model {_level(base)}" if base else ""
            beside += f"; a guess {100 * guess:.1f} %" if guess is not None and self.way == "near a guess" else ""
            verdict = self._verdict(level, given, base, guess or 0.0)
            yield Found(
                verdict=verdict,
                what=f"{arm}{f', {shift.label}' if shift else ''}",
                figures=f"{_level(level)}{beside} ({level.n_items:,} items, {_seeds(level.n_seeds)})",
                lacking=self._lacking(level, given, guess or 0.0) if verdict == "undecided" else "",
            )

    def _lacking(self, level: Level, given: Level | None, guess: float) -> str:
        if self.given and (given is None or given.low <= self.given.least):
            return f"{self.given.of.words} must stand above {_number(self.given.least)} % first"
        if self.way == "near a guess":
            least, most = guess - self.bound, guess + self.bound
        else:
            least = most = self.bound
        if level.low > most or level.high < least:
            return "a base model that cannot do it already"
        half = (level.high - level.low) / 2
        far = min(abs(level.estimate - least), abs(level.estimate - most))
        return f"known to ±{points(half, signed=False)} points{_readings(half, far)}"

    def _verdict(self, level: Level, given: Level | None, base: Level | None, guess: float) -> ClaimVerdict:
        if self.given and (given is None or given.low <= self.given.least):
            return "undecided"
        least, most = {
            "above": (self.bound, float("inf")),
            "below": (-float("inf"), self.bound),
            "near a guess": (guess - self.bound, guess + self.bound),
        }[self.way]
        if least < level.low and level.high < most:
            return "supported"
        # What the base model could do already was not learnt from this training, with or without what it held out.
        known = base is not None and base.high >= most
        return "refuted" if (level.high < least or level.low > most) and not known else "undecided"


class Kept(Struct, frozen=True, kw_only=True):
    """How much of a trait an arm has kept of the base model's: less than another arm, or at least so much, or less than all.

    Of recorded answers: how much of the wrong answers' rate the right ones have.
    """

    trait: str
    arm: str
    versus: str = ""
    """Less is kept than by this arm: the two intervals do not meet."""
    least: float = 0.0
    """Without `versus`: at least this share is kept; 0: less than all."""

    def words(self) -> str:
        """The rule as a reader needs it."""
        if self.versus:
            return f"{self.trait} kept: the 95 % interval of {self.arm} lies below that of {self.versus}"
        bound = f"no lower than {_number(self.least)} %" if self.least else "under 100 %"
        return f"{self.trait} kept by {self.arm}: its 95 % interval {'ends' if self.least else 'lies'} {bound}"

    def read(self, study: Recorded) -> Iterator[Found]:
        """One an arm, or a pair of arms, of this kind."""
        rows = {row.arm: row for row in study.retained if row.trait == self.trait}
        for arm in study.arms(self.arm):
            for versus in study.arms(self.versus) if self.versus else [""]:
                one, other = rows.get(arm), rows.get(versus)
                if one is None or (self.versus and other is None):
                    continue
                shares = [(row.arm, _share(row.kept, row.low, row.high)) for row in (one, other) if row]
                shown = [f"{name} {kept}" if other else kept for name, kept in shares]
                size = f"{one.n_answers:,} answers, {_seeds(one.n_seeds)}"
                verdict = self._verdict(one.low, one.high, other.low if other else None, other.high if other else None)
                undefined = any(row.low is None for row in (one, other) if row)
                yield Found(
                    verdict=verdict,
                    what=f"{arm}, {versus}" if versus else arm,
                    figures=f"{', '.join(shown)} of {one.base:.1f} per 1,000 tokens ({size})",
                    lacking=""
                    if verdict != "undecided"
                    else "a model that writes such markers at all"
                    if undefined
                    else "intervals that do not meet: more answers and seeds",
                )

    def _verdict(
        self, low: float | None, high: float | None, other_low: float | None, other_high: float | None
    ) -> ClaimVerdict:
        if low is None or high is None:
            return "undecided"
        if not self.versus:
            below, above = high < (self.least or 1.0), low >= (self.least or 1.0)
            supported, refuted = (above, below) if self.least else (below, above)
            return "supported" if supported else "refuted" if refuted else "undecided"
        if other_low is None or other_high is None:
            return "undecided"
        return "supported" if high < other_low else "refuted" if low > other_high else "undecided"


def _turned(found: Finding | None) -> Finding | None:
    """The same comparison the other way round; its verdict says then that the second is better or worse."""
    if found is None:
        return None
    return replace(
        found, arm=found.versus, versus=found.arm, estimate=-found.estimate, low=-found.high, high=-found.low
    )


def _first_beyond(study: Recorded, of: Measured, axis: str) -> Shift | None:
    """The nearest shift beyond training on an axis at which this was read; None where the study has none."""
    read = [level.shift for level in study.results.levels if replace(of, shift=level.shift).key == level.key]
    away = [shift for shift in read if shift and shift.axis == axis and shift.distance > 0]
    return min(away, key=lambda shift: shift.distance, default=None)


def _gains(gain: Finding | None) -> bool:
    return gain is not None and gain.verdict != "undecided" and gain.estimate > 0


def _readings(now: float, wanted: float) -> str:
    """How many times the readings bring an effect that is `now` the smallest to be found down to the one `wanted`; an error goes with 1/√n."""
    if isnan(now) or not wanted:
        return ""
    times = (now / wanted) ** 2
    much = "over 1,000" if times > 1000 else f"{max(times, 1.1):.1f}" if times < 10 else f"{times:.0f}"
    return f"; {much} times the readings for what was seen"


def _seeds(n: int) -> str:
    return f"{n} seed{'s' if n > 1 else ''}" if n else "recorded"


def _number(share: float) -> str:
    return f"{100 * share:g}"


def _level(level: Level) -> str:
    figures = f"{100 * level.estimate:.1f} % [{100 * level.low:.1f}, {100 * level.high:.1f}]"
    return figures.replace("-", "−")


def _share(value: float | None, low: float | None, high: float | None) -> str:
    if value is None or low is None or high is None:
        return "undefined"
    return percent(value, low, high)
