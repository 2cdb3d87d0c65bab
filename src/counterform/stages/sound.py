"""Between the base and the first training: is the study void? Looks at files alone (findings/checks.py has the rules)."""

from __future__ import annotations

import re
from collections import Counter, defaultdict
from collections.abc import Iterator, Sequence
from pathlib import Path

import msgspec
import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from counterform.arms.critique import Critique
from counterform.errors import StudyError
from counterform.findings.checks import Answers, Check, Level, Looked, checks
from counterform.findings.gains import pseudo
from counterform.findings.power import mixed_groups
from counterform.findings.table import Table, tables
from counterform.models.source import Adapted, called_instruct, chats, files_of, with_base
from counterform.parts import made, part
from counterform.results import MatchCard
from counterform.stages.work import Work
from counterform.study import BASE_ARM
from counterform.text.wording import named_error, verdict_of
from counterform.types import Example, Graded, Mark, Reading, Verdict

"""In the name of a model that was taught to follow instructions."""
ROLLOUTS = 8
"""A group of TRL's GRPO where the study does not say."""


def require_sound(work: Work, *, anyway: bool) -> None:
    """Say what is weak. Raises StudyError for a study that is void, unless `anyway`, or unless all of it is trained already."""
    if work.trained:
        return
    found = checks(looked_at(work))
    for check in found:
        if check.state == "warning":
            work.say(f"warning   {check.message}. {check.fix}")
    void = [check for check in found if check.state == "void"]
    said = " ".join(f"{check.message} (void from {limit(check)} on). {check.fix}" for check in void)
    if void and not anyway:
        raise StudyError(
            f"this study could not answer its question, and nothing was trained: {said} `counterform plan` shows all that was "
            "looked at, and `counterform run --anyway` goes on."
        )
    if void:
        work.say(f"anyway    {said}")


def limit(check: Check) -> str:
    """A threshold in words."""
    return f"{check.threshold:,.0f}" if check.name == "cases" else f"{100 * check.threshold:g} %"


def looked_at(work: Work) -> Looked:
    """What a study says whose arms are compiled and whose base has been read."""
    own = not work.study.attempts.file and work.keys.model(work.sampled) == work.keys.base
    pool = _Pool(work)
    asked = _base_answers(work)
    base = answers_of(asked) if asked else pool.held_out if own else Answers()
    cards = [msgspec.convert(card, MatchCard) for name in work.arms if (card := work.files.fact(f"arm/{name}", "card"))]
    bare, unchatted = _prompted(work)
    return Looked(
        pool=pool.all,
        own=own,
        base=base,
        levels=[
            _level(table)
            for table in base_tables(work)
            if table.metric.unit == "share" and table.metric.better != "neither"
        ],
        cases=cards[0].cases if cards else 0,
        cases_wanted=work.study.match.cases,
        located=_located(work),
        mixed=_mixed(work, pool.tally() if own or not asked else _tally(asked)),
        refused=work.refused,
        bare=bare,
        unchatted=unchatted,
    )


def answers_of(graded: Sequence[Graded]) -> Answers:
    """What became of some graded attempts that were heard."""
    heard = [one for one in graded if one.attempt.completion.finish != "error"]
    unknown = [one.verdict for one in heard if one.verdict.outcome is Mark.UNKNOWN]
    return Answers(
        n=len(heard),
        right=sum(one.verdict.outcome is Mark.RIGHT for one in heard),
        lenient=sum(one.verdict.lenient is Mark.RIGHT for one in heard),
        unknown=len(unknown),
        cut=sum(one.attempt.completion.finish == "length" for one in heard),
        reasons=_reasons(verdict.reason for verdict in unknown),
    )


def base_tables(work: Work) -> list[Table]:
    """The first measurement of each probe that was read off the base as in training, with a value for every item."""
    found = []
    for name in work.study.probes:
        probe = made("probe", name, {}, "$.probes", bench=work.bench())
        readings = [
            reading
            for seed in work.study.seeds
            if (file := work.files.fact(f"probe/{BASE_ARM}/{seed}/{name}", "readings"))
            for reading in work.files.read_rows(file, Reading)
        ]
        read = [table for table in tables(readings, probe.declared) if table.of.shift is None]
        found += [table for table in read if table.read_by([BASE_ARM]).any()][:1]
    return found


def _level(table: Table) -> Level:
    """Where the base stands; of what is better low, how much of the rest it has."""
    each = pseudo(table, BASE_ARM, table.read_by([BASE_ARM]))
    value = float(each.mean())
    high = table.metric.better == "high"
    return Level(
        words=table.of.words if high else f"the opposite of {table.of.words}",
        value=value if high else 1 - value,
        items=len(each),
    )


class _Pool:
    """The graded pool, in columns: it may be long."""

    def __init__(self, work: Work) -> None:
        attempts = work.pool_table("attempts", ["problem_id", "completion"])
        verdicts = work.pool_table("verdicts", ["outcome", "lenient", "reason"])
        finish = pc.struct_field(attempts["completion"], "finish")
        held_out = pa.array([problem.id for problem in work.problems("held_out")], pa.string())
        self._problem, self._reason = attempts["problem_id"], verdicts["reason"]
        self._heard, self._cut = _is_not(finish, "error"), ~_is_not(finish, "length")
        self._held_out = pc.is_in(self._problem, held_out).to_numpy()
        self._known = _is_not(verdicts["outcome"], Mark.UNKNOWN)
        self._right, self._lenient = (~_is_not(verdicts[name], Mark.RIGHT) for name in ("outcome", "lenient"))

    @property
    def all(self) -> Answers:
        return self._answers(self._heard)

    @property
    def held_out(self) -> Answers:
        return self._answers(self._heard & self._held_out)

    def tally(self) -> tuple[np.ndarray, np.ndarray]:
        """Right and graded answers of each problem."""
        at = self._problem.combine_chunks().dictionary_encode().indices.to_numpy()
        return np.bincount(at, weights=self._right), np.bincount(at, weights=self._known)

    def _answers(self, kept: np.ndarray) -> Answers:
        unknown = kept & ~self._known
        return Answers(
            n=int(kept.sum()),
            right=int((kept & self._right).sum()),
            lenient=int((kept & self._lenient).sum()),
            unknown=int(unknown.sum()),
            cut=int((kept & self._cut).sum()),
            reasons=_reasons(self._reason.filter(pa.array(unknown)).to_pylist()),
        )


def _is_not(column: pa.ChunkedArray, value: str) -> np.ndarray:
    return pc.not_equal(column, str(value)).to_numpy()  # type: ignore[no-any-return]


def _reasons(reasons: Iterator[str] | Sequence[str]) -> dict[str, int]:
    """Why, counted; what stands in quotes differs from text to text and is left out."""
    counted = Counter(re.sub(r"'[^']*'|\"[^\"]*\"", "...", reason) for reason in reasons)
    return dict(counted.most_common(5))


def _base_answers(work: Work) -> list[Graded]:
    """The base's answers to held-out problems as they stand, by the first probe that asks for nothing else."""
    held_out = {problem.id for problem in work.problems("held_out")}
    for probe in work.study.probes:
        if part("probe", probe).needs == {"text"}:
            names = [
                name
                for seed in work.study.seeds
                for name in work.files.fact(f"probe/{BASE_ARM}/{seed}/{probe}", "attempts") or ()
            ]
            graded = [one for name in names for one in work.files.read_rows(name, Graded)]
            if found := [one for one in graded if one.attempt.problem_id in held_out]:
                return found
    return []


def _tally(graded: Sequence[Graded]) -> tuple[np.ndarray, np.ndarray]:
    found: dict[str, list[Verdict]] = defaultdict(list)
    for one in graded:
        found[one.attempt.problem_id].append(one.verdict)
    right = [sum(verdict.outcome is Mark.RIGHT for verdict in each) for each in found.values()]
    known = [sum(verdict.outcome is not Mark.UNKNOWN for verdict in each) for each in found.values()]
    return np.array(right, dtype=float), np.array(known, dtype=float)


def _located(work: Work) -> dict[str, tuple[int, int]]:
    """By critique arm, how many critiques of wrong attempts name a step, and how many there are."""
    found = {}
    for name in work.arms:
        if isinstance(work.recipes[name], Critique):
            targets = [example.completion or "" for example in work.files.read_rows(f"arms/{name}.parquet", Example)]
            wrong = [target for target in targets if verdict_of(target) is Mark.WRONG]
            if wrong:
                found[name] = sum(named_error(target) is not None for target in wrong), len(wrong)
    return found


def _mixed(work: Work, tally: tuple[np.ndarray, np.ndarray]) -> dict[str, tuple[float, int, int]]:
    """By arm that samples for itself, the share of its groups that would hold a right and a wrong rollout, their size, and the problems."""
    found = {}
    for name in work.arms:
        objective = work.recipes[name].objective
        if objective in ("grpo", "sdpo") and tally[0].size:
            options = {"grpo": work.trainer(name).spec.grpo, "sdpo": work.trainer(name).spec.sdpo}[objective]
            size = int(options.get("num_generations", ROLLOUTS))
            found[name] = mixed_groups(*tally, size), size, len(tally[0])
    return found


def _prompted(work: Work) -> tuple[bool, str]:
    """Whether problems are put bare to a model with a chat template; and the name of one that should have such a template."""
    spec = work.study.model
    bare = work.study.problems.template.strip() == "{prompt}"
    if spec.kind != "hf":
        return bare and spec.kind == "openai", ""
    # By its files: to load a tokenizer would bring torch into the driver.
    whole = with_base(spec)
    folders = [files_of(whole), *([Path(whole.adapter)] if isinstance(whole, Adapted) else [])]
    chatting = any(chats(str(folder)) for folder in folders)
    return bare and chatting, spec.path if not chatting and called_instruct(spec.path) else ""
