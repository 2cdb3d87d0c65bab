"""A study before it is run: read in small, then reckoned whole."""

from __future__ import annotations

import tempfile
import time
from pathlib import Path

import msgspec

from counterform.findings.checks import Check, checks
from counterform.findings.plan import Plan
from counterform.findings.power import HIGH_LUCK, LOW_LUCK
from counterform.plan.costs import cases_of, costs_of, few_cases
from counterform.plan.effects import measures_of
from counterform.plan.small import Clock, Small, read_small
from counterform.plan.training import Training, train_few
from counterform.stages.same import resolved
from counterform.stages.sound import looked_at
from counterform.stages.work import Say
from counterform.study import BASE_ARM, Study


def plan_study(study: Study, *, say: Say = lambda line: None, clock: Clock = time.monotonic) -> Plan:
    """What a study will cost and could find, and what makes it void.

    Reads some of its problems in a temporary directory; its run directory is not touched, and no arm is trained: a few steps of
    one are, and thrown away. clock: what seconds are counted by. Raises as `counterform run` would for what keeps it from beginning.
    """
    started, whole = clock(), resolved(study)
    with tempfile.TemporaryDirectory(prefix="counterform-plan-") as name:
        folder = Path(name)
        say(
            "plan      reads the base at some of the study's own problems, and trains a few steps: as a rule under two minutes of the processor"
        )
        small = read_small(whole, folder, clock)
        read = small.work.study.problems
        say(
            f"plan      {read.train} problems to train on and {read.held_out} held-out ones are read; now a few steps of training"
        )
        grown = cases_of(whole, small) / max(few_cases(small), 1)
        training = (
            train_few(whole, small, grown=grown, folder=folder / "trained", clock=clock)
            if not small.failure
            else Training()
        )
        say("plan      the size of study that could find something is reckoned")
        measures = measures_of(whole, small)
        return Plan(
            name=whole.name,
            problems=read.train + read.held_out,
            attempts=len(small.work.pool_table("attempts", ["id"])),
            seconds=clock() - started,
            seeds=len(whole.seeds),
            cases=cases_of(whole, small),
            costs=tuple(costs_of(whole, small, training)),
            disk_mb=training.disk_mb + _rest_mb(small),
            memory_mb=training.memory_mb,
            luck=(LOW_LUCK, HIGH_LUCK),
            contrasts=(*whole.contrasts, *((arm.name, BASE_ARM) for arm in whole.arm_specs)),
            measures=tuple(measures),
            checks=tuple(_checks(whole, small)),
            notes=training.notes,
        )


def _checks(study: Study, small: Small) -> list[Check]:
    """Those of the study in small, with the cases that the whole one will have."""
    looked = looked_at(small.work)
    found = checks(msgspec.structs.replace(looked, cases=cases_of(study, small), cases_wanted=study.match.cases))
    if not small.failure:
        return found
    none = Check(
        name="no arm",
        state="void",
        value=0.0,
        threshold=0.0,
        message=f"of {small.work.study.problems.train} problems {small.failure}",
        fix="Sample more attempts a problem ($.attempts.samples), or take problems that the sampled model solves now and then.",
    )
    return [none, *found]


def _rest_mb(small: Small) -> float:
    """Of problems, attempts, verdicts and readings, as they are in small, for every problem of the study."""
    files = [file for file in small.work.files.path.rglob("*.parquet") if file.is_file()]
    few = small.work.study.problems
    grown = sum(small.problems.values()) / (few.train + few.held_out)
    return grown * sum(file.stat().st_size for file in files) / 2**20
