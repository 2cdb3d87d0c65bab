"""Traits and solution-guided traces on their way through a study, with a model whose answers are known."""

import json
import re

import pytest

import counterform
from counterform.errors import DataError
from counterform.stages.kept import Answer
from counterform.store import RunDir
from counterform.study import ArmSpec, AttemptsSpec, MatchSpec, ModelSpec, ProblemsSpec, Study, load_study
from counterform.types import Example, Problem

SHOWN = "{solution} | {prompt}"
GUIDED = {"shown": SHOWN, "samples": 2}
STUDY = Study(
    name="guided",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", train=24, held_out=4, lengths=(3, 4)),
    attempts=AttemptsSpec(samples=4, max_tokens=200, model=ModelSpec(kind="scripted", path="answers_of_traits:answer")),
    match=MatchSpec(cases=20),
    arms=(
        ArmSpec(name="unguided", recipe="rft"),
        ArmSpec(name="guided", recipe="guided", options=GUIDED),
        ArmSpec(name="short_unguided", recipe="short_unguided", options=GUIDED),
        ArmSpec(name="stripped_unguided", recipe="stripped_unguided"),
        ArmSpec(name="marked_guided", recipe="marked_guided", options=GUIDED),
    ),
)
ANSWERS = '''
import re

from counterform.models.scripted import ScriptedAnswer

def solve(prompt):
    """The worked solution of a ledger problem of adding, doubling and so on, by its own words."""
    total, steps = int(re.search(r"Start with (\\d+)", prompt)[1]), []
    for sentence in prompt.split(". ")[1:-1]:
        number = re.search(r"\\d+", sentence)
        n = int(number[0]) if number else 0
        if sentence.startswith("Add"): left, total = f"{total} + {n}", total + n
        elif sentence.startswith("Take away"): left, total = f"{total} - {n}", total - n
        elif sentence.startswith("Double"): left, total = f"{total} * 2", total * 2
        elif sentence.startswith("Triple"): left, total = f"{total} * 3", total * 3
        elif sentence.startswith("Halve"): left, total = f"{total} / 2", total // 2
        else: left, total = f"{n} - {total}", n - total
        steps.append(f"{left} = {total}.")
    return " ".join([*steps, f"The answer is {total}."])

@ScriptedAnswer
def answer(prompt, sample):
    if "|" in prompt:
        solution = prompt.partition(" | ")[0]
        return "No." if "Triple" in prompt else solution
    if sample % 2:
        return "The answer is -1."
    return f"Perhaps. {solve(prompt)}"
'''


@pytest.fixture(scope="module")
def run(tmp_path_factory):
    folder = tmp_path_factory.mktemp("guided")
    (folder / "answers_of_traits.py").write_text(ANSWERS)
    with pytest.MonkeyPatch.context() as patch:
        patch.syspath_prepend(folder)
        yield counterform.run(STUDY, folder / "run", until="arms")


def arm(run, name):
    return RunDir(run.path).read_rows(f"arms/{name}.parquet", Example)


def test_all_arms_have_the_problems_that_every_arm_can_use(run):
    names = [spec.name for spec in STUDY.arm_specs]
    ids = [[example.problem_id for example in arm(run, name)] for name in names]
    assert len(ids[0]) > 2
    assert all(other == ids[0] for other in ids)
    prompts = {p.id: p.prompt for p in RunDir(run.path).read_rows("problems.parquet", Problem)}
    assert not any("Triple" in prompts[name] for name in ids[0])
    left = [n for name, n in RunDir(run.path).counts.items() if "guided had nothing" in name]
    assert sum(left) > 0


def test_what_each_arm_holds(run):
    texts = {
        name: [e.completion for e in arm(run, name)]
        for name in ("unguided", "guided", "stripped_unguided", "marked_guided")
    }
    assert all(text.startswith("Perhaps. ") for text in texts["unguided"])
    assert not any("erhaps" in text for text in (*texts["guided"], *texts["stripped_unguided"]))
    assert texts["stripped_unguided"] == texts["guided"]
    assert all(text.startswith("Perhaps, ") for text in texts["marked_guided"])
    assert not any("|" in example.prompt for example in arm(run, "guided"))


def test_each_prompt_is_asked_once_and_kept(run):
    asked = [
        RunDir(run.path).read_rows(str(p.relative_to(run.path)), Answer)
        for p in (run.path / "asked").glob("*/*.parquet")
    ]
    cases = len(arm(run, "guided")) + sum(
        n for name, n in RunDir(run.path).counts.items() if "guided had nothing" in name
    )
    assert sorted(map(len, asked)) == sorted([2 * cases, 2 * len(arm(run, "guided"))])


def test_a_bad_lexicon_stops_a_study_before_anything_runs(tmp_path):
    (tmp_path / "mine.json").write_text(json.dumps({"kinds": {"hedge": ["(a+)+"]}}))
    (tmp_path / "study.toml").write_text(
        'name = "x"\nprobes = ["traits"]\n[problems]\nfamily = "ledger"\n[probe]\nlexicon = "mine.json"\n'
    )
    study = load_study(tmp_path / "study.toml")
    assert study.probe.lexicon == str(tmp_path / "mine.json")
    with pytest.raises(DataError, match=re.escape("term '(a+)+' of kind 'hedge'")):
        counterform.run(study, tmp_path / "run")
    assert not (tmp_path / "run" / "problems.parquet").exists()
