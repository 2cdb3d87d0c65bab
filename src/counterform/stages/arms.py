"""Stage 4: of the verdicts, cases; of the cases, every arm with its row of the match card."""

from __future__ import annotations

import gc
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from functools import cached_property

import msgspec
import pyarrow as pa
import pyarrow.compute as pc
from msgspec import Struct

from counterform.arms.recipe import Recipe
from counterform.errors import ControlError, DataError, StudyError
from counterform.models.sampling import derived_seed
from counterform.results import MatchCard
from counterform.stages.unit import Unit
from counterform.stages.work import Work
from counterform.study import ArmSpec, ModelSpec
from counterform.types import Arm, Case, Example

ARM_FACTS = ("differs_by", "objective", "options", "teacher_tokens", "generated_tokens")
"""Of an arm, what stands in its unit's record beside the file of its examples."""


def arm_units(work: Work) -> Iterator[Unit]:
    """Every arm that is trained here, and then the match card."""
    compiler = _Compiler(work)
    yield from (ArmUnit(spec, compiler) for spec in work.study.trained)
    if work.recipes:
        yield MatchUnit(work)


class ArmUnit(Unit):
    """One arm's examples. An arm whose recipe cannot use these cases is refused with the reason, and the others go on."""

    def __init__(self, spec: ArmSpec, compiler: _Compiler) -> None:
        super().__init__(f"arm/{spec.name}", needs=("problems", "audit", "verify/"), together="arm")
        self._spec, self._compiler = spec, compiler

    def key(self, work: Work) -> str:
        return work.keys.arm(self._spec.name)

    def make(self, work: Work) -> list[str]:
        try:
            [arm] = self._compiler.matched([self._spec.name])
        except (ControlError, DataError) as error:
            work.making.facts["refused"] = str(error)
            other = self._compiler.refused.setdefault(str(error), self._spec.name)
            why = str(error) if other == self._spec.name else f"as {other} is"
            work.say(f"arms      {self._spec.name} REFUSED: {why}")
            return []
        card = self._compiler.card(arm)
        work.making.facts |= {
            **{name: getattr(arm, name) for name in ARM_FACTS},
            "card": msgspec.to_builtins(card),
            "left out": self._compiler.left_out,
        }
        work.files.write_rows(f"arms/{arm.name}.parquet", arm.examples, Example)
        return [f"arms/{arm.name}.parquet"]


class MatchUnit(Unit):
    """What is equal between the arms, and what is not. Raises DataError where no arm can be made, and none exists already."""

    def __init__(self, work: Work) -> None:
        super().__init__("match", needs=[f"arm/{name}" for name in work.recipes])

    def key(self, work: Work) -> str:
        return work.keys.match

    def make(self, work: Work) -> list[str]:
        if not work.arms and work.existing:
            return []
        if not work.arms:
            raise DataError(f"no arm can be made of these cases: {'; '.join(dict.fromkeys(work.refused.values()))}")
        cards = [msgspec.convert(work.files.fact(f"arm/{name}", "card"), MatchCard) for name in work.arms]
        rows = tuple(row for card in cards for row in card.arms)
        card = msgspec.structs.replace(cards[0], arms=rows)
        for line in card_lines(card):
            work.say(f"arms      {line}")
        work.files.write_json("arms/match.json", card)
        left_out: dict[str, int] = work.files.fact(f"arm/{work.arms[0]}", "left out")
        for recipe, n in left_out.items():
            work.count(f"cases that left all arms because {recipe} had nothing for them", n)
        work.making.notes += _few(card.cases, work.study.match.cases, left_out)
        return ["arms/match.json"]


def _few(cases: int, asked: int, left_out: dict[str, int]) -> Iterator[str]:
    """What is to be said of arms that are made of less than half of the cases that were asked for."""
    if 2 * cases >= asked:
        return
    made = f"{cases:,} case{'s' * (cases != 1)}"
    yield f"The arms are made of {made}, where {asked:,} were asked for ($.match.cases): so few teach little."
    for recipe, n in left_out.items():
        if n > cases:
            yield f"{n:,} more left all arms because {recipe} had nothing for them: without that arm the others would have them."


def card_lines(card: MatchCard) -> list[str]:
    """The match card in words, and one row per arm."""
    from counterform.report.tables import card_sentence

    width = max(len(arm.arm) for arm in card.arms)
    return [
        card_sentence(card),
        *(
            f"{arm.arm:<{width}}  {arm.examples:>6,} examples  {arm.loss_tokens:>8,} loss tokens  {arm.differs_by}"
            for arm in card.arms
        ),
    ]


class _Cases(Struct, frozen=True):
    cases: list[Case]
    counts: dict[str, int]
    """Problems that made no case."""
    left_out: dict[str, int]
    """By arm, cases that left all arms because it had nothing for them."""


class _Compiler:
    """Makes arms of cases that are chosen when the first is needed, and the same ones for all."""

    def __init__(self, work: Work) -> None:
        self._work = work
        self._compiled: dict[str, Arm] = {}
        self.refused: dict[str, str] = {}
        """Reasons that were said, each with the first arm that was refused for it."""

    @property
    def left_out(self) -> dict[str, int]:
        return self._chosen.left_out

    def matched(self, names: Sequence[str]) -> list[Arm]:
        """These arms, with as many examples or loss tokens as the study asks for. Raises as the first that is refused."""
        from counterform.arms.cases import match

        by = self._work.study.match.by
        wanted = [self._arm(name) for name in names]
        if by == "examples":
            return wanted
        others = [arm for name in self._work.recipes if (arm := self._arm_if_any(name)) and name not in names]
        return match([*wanted, *others], by=by, count=self._count)[: len(wanted)]

    def card(self, arm: Arm) -> MatchCard:
        """The match card with the row of this arm alone."""
        from counterform.arms.cases import match_card

        chosen = self._chosen
        return match_card([arm], chosen.cases, by=self._work.study.match.by, counts=chosen.counts, count=self._count)

    def _arm_if_any(self, name: str) -> Arm | None:
        try:
            return self._arm(name)
        except (ControlError, DataError):
            return None

    def _arm(self, name: str) -> Arm:
        if name not in self._compiled:
            spec = next(spec for spec in self._work.study.trained if spec.name == name)
            cases = self._chosen.cases
            # What an arm asks the sampled model must not depend on which arms were compiled before it in this process.
            asked = {n: dict(known) for n, known in self._work.asked.items()}
            with _without_collector():
                arm = _compile(spec, self._work.recipes[name], cases)
            self._work.asked = asked
            if not self._work.study.attempts.file:  # of recorded attempts nobody knows the tokens
                arm = msgspec.structs.replace(arm, generated_tokens=arm.generated_tokens + _written(arm, cases))
            if self._work.study.match.by == "examples":  # each is asked for once
                return arm
            self._compiled[name] = arm
        return self._compiled[name]

    @cached_property
    def _count(self) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
        return _token_counter(self._work.study.model)

    @cached_property
    def _chosen(self) -> _Cases:
        with _without_collector():
            return _choose(self._work)


@contextmanager
def _without_collector() -> Iterator[None]:
    """Millions of new objects and not one cycle: the collector would look through all of them again and again."""
    gc.disable()
    try:
        yield
    finally:
        gc.enable()


def _choose(work: Work) -> _Cases:
    from counterform.arms.cases import choose_pairs, make_cases, require_uncut

    verdicts = work.pool_table("verdicts", ["attempt_id", "problem_id", "outcome", "located"])
    train_problems = {p.id: p for p in work.problems("train")}
    verdicts = verdicts.filter(pc.is_in(verdicts["problem_id"], pa.array(train_problems)))
    matched = work.study.match
    pairs, counts = choose_pairs(verdicts, cases=matched.cases, pairs=matched.pairs, seed=0)
    chosen = {*pairs["right"].to_pylist(), *pairs["wrong"].to_pylist()}
    cases = make_cases(pairs, train_problems, {g.attempt.id: g for g in work.graded("id", chosen)})
    require_uncut(cases)
    if len(cases) < matched.cases:
        work.say(f"arms      {len(cases)} cases, fewer than the {matched.cases} asked for")
    left_out: dict[str, int] = {}
    for name, recipe in work.recipes.items():
        usable = _usable(recipe, cases)
        if not usable:
            continue  # The recipe itself will say why when it is asked for its arm, and be refused.
        if len(usable) < len(cases):
            work.say(f"arms      {len(cases) - len(usable)} cases leave all arms: {name} has nothing for them")
        left_out[name] = len(cases) - len(usable)
        cases = usable
    return _Cases(cases, counts, left_out)


def _usable(recipe: Recipe, cases: list[Case]) -> list[Case]:
    """The cases that a recipe can use which may have to leave some out: all arms have the same problems."""
    try:
        return [case for case, use in zip(cases, recipe.usable(cases), strict=True) if use]
    except (ControlError, DataError):
        return []


def _compile(spec: ArmSpec, recipe: Recipe, cases: Sequence[Case]) -> Arm:
    import numpy as np

    if recipe.lacks:
        raise DataError(f"arm {spec.name!r} needs {recipe.lacks}. Install it, or leave this arm out.")
    # Two arms with one recipe get the same examples: an A/A test differs by nothing but seed variance.
    # A control draws as the recipe that it controls: both show the same attempts.
    arm = recipe(cases, np.random.default_rng(derived_seed("arm", recipe.draws_as or spec.recipe)))
    if len(arm.examples) != len(cases):
        raise StudyError(
            f"arm {spec.name!r} returned {len(arm.examples)} examples for {len(cases)} cases; it needs one a case."
        )
    return msgspec.structs.replace(arm, name=spec.name)


def _written(arm: Arm, cases: Sequence[Case]) -> int:
    """Tokens of the sampled attempts that stand in an arm's examples, each counted once."""
    tokens = {g.attempt.id: g.attempt.completion.tokens for case in cases for g in (case.right, case.wrong)}
    standing = {name for example in arm.examples for name in example.attempt_ids}
    return sum(tokens.get(name, 0) for name in standing)


def _token_counter(spec: ModelSpec) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
    if spec.kind != "hf":
        return lambda examples: (
            [len(e.prompt.split()) for e in examples],
            [len((e.completion or "").split()) + len((e.rejected or "").split()) for e in examples],
        )
    from counterform.models.loading import load_tokenizer
    from counterform.train.tokens import token_counter

    return token_counter(load_tokenizer(spec), spec.chat)
