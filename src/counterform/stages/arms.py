"""Stage 4: of the verdicts, cases; of the cases, every arm with its match card."""

from __future__ import annotations

import gc
from collections.abc import Callable, Sequence

import msgspec
import pyarrow as pa
import pyarrow.compute as pc

from counterform.arms.recipe import Recipe
from counterform.errors import ControlError, DataError, StudyError
from counterform.models.sampling import derived_seed
from counterform.stages.work import Work
from counterform.study import ArmSpec, ModelSpec
from counterform.types import Arm, Case, Example


def compile_arms(work: Work) -> None:
    """Cases, and from them every arm with its match card."""
    if all(work.files.is_done(f"arm/{name}", work.arm_keys[name]) for name in work.arms):
        return
    # Millions of new objects and not one cycle: the collector would look through all of them again and again.
    gc.disable()
    try:
        _compile_arms(work)
    finally:
        gc.enable()


def _compile_arms(work: Work) -> None:
    from counterform.arms.cases import choose_pairs, make_cases, match, match_card

    verdicts = work.files.read_table("verdicts", ["attempt_id", "problem_id", "outcome", "located"])
    train_problems = {p.id: p for p in work.problems("train")}
    verdicts = verdicts.filter(pc.is_in(verdicts["problem_id"], pa.array(train_problems)))
    matched = work.study.match
    pairs, counts = choose_pairs(verdicts, cases=matched.cases, pairs=matched.pairs, seed=0)
    chosen = {*pairs["right"].to_pylist(), *pairs["wrong"].to_pylist()}
    cases = make_cases(pairs, train_problems, {g.attempt.id: g for g in work.graded("id", chosen)})
    del verdicts, pairs, chosen, train_problems  # as large as the cases, where the pool is a million attempts
    if len(cases) < work.study.match.cases:
        work.say(f"arms      {len(cases)} cases, fewer than the {work.study.match.cases} asked for")
    cases = _usable(work, cases)
    count = _token_counter(work.study.model)
    arms = match(_compile_each(work, cases), by=work.study.match.by, count=count)
    card = match_card(arms, cases, by=work.study.match.by, counts=counts, count=count)
    work.files.write_json("arms/match.json", card)
    for arm in arms:
        key = work.arm_keys[arm.name]
        if not work.files.is_done(f"arm/{arm.name}", key):
            work.files.write_rows(f"arms/{arm.name}.parquet", arm.examples, Example)
            told = {name: getattr(arm, name) for name in ("differs_by", "objective", "options", "teacher_tokens")}
            work.files.done(f"arm/{arm.name}", key, **told)


def _usable(work: Work, cases: list[Case]) -> list[Case]:
    """The cases that every recipe can use which may have to leave some out: all arms have the same problems."""
    for name, recipe in work.recipes.items():
        try:
            usable = [case for case, use in zip(cases, recipe.usable(cases), strict=True) if use]
        except (ControlError, DataError):
            usable = []
        if not usable:
            continue  # The recipe itself will say why when it is asked for its arm, and be refused.
        if len(usable) < len(cases):
            work.say(f"arms      {len(cases) - len(usable)} cases leave all arms: {name} has nothing for them")
        work.count(f"cases that left all arms because {name} had nothing for them", len(cases) - len(usable))
        cases = usable
    return cases


def _compile_each(work: Work, cases: Sequence[Case]) -> list[Arm]:
    """Every arm. One whose recipe cannot use these cases is refused with the reason, and the others go on."""
    arms: list[Arm] = []
    refused: list[str] = []
    for spec in work.study.arm_specs:
        try:
            arms.append(_compile(spec, work.recipes[spec.name], cases))
        except (ControlError, DataError) as error:
            refused.append(str(error))
            work.files.done(f"refused/{spec.name}", work.arm_keys[spec.name], why=str(error))
            work.say(f"arms      {spec.name} REFUSED: {error}")
    if not arms:
        raise DataError(f"no arm can be made of these cases: {'; '.join(refused)}")
    return arms


def _compile(spec: ArmSpec, recipe: Recipe, cases: Sequence[Case]) -> Arm:
    import numpy as np

    # Two arms with one recipe get the same examples: an A/A test differs by nothing but training luck.
    # A control draws as the recipe that it controls: both show the same attempts.
    arm = recipe(cases, np.random.default_rng(derived_seed("arm", recipe.draws_as or spec.recipe)))
    if len(arm.examples) != len(cases):
        raise StudyError(
            f"arm {spec.name!r} returned {len(arm.examples)} examples for {len(cases)} cases; it needs one a case."
        )
    return msgspec.structs.replace(arm, name=spec.name)


def _token_counter(spec: ModelSpec) -> Callable[[Sequence[Example]], tuple[list[int], list[int]]]:
    if spec.kind != "hf":
        return lambda examples: (
            [len(e.prompt.split()) for e in examples],
            [len((e.completion or "").split()) for e in examples],
        )
    from counterform.models.hf import load_tokenizer
    from counterform.train.tokens import token_counter

    return token_counter(load_tokenizer(spec))
