import math

import pytest

from counterform.claims.recorded import Recorded, read, read_all, recipe_of, to_json
from counterform.errors import DataError
from counterform.findings.gains import find
from counterform.metrics import Metric, Shift
from counterform.results import Baseline, Results, Retention
from counterform.study import ArmSpec
from counterform.types import Mark, Reading

AWAY = {"probe": "shift", "shift": Shift(axis="length", level="6", distance=1.0)}
MEASURED = (
    {"probe": "accuracy", "metric": "pass@1"},
    {**AWAY, "metric": "exact match", "condition": "answer"},
    {**AWAY, "metric": "exact match", "condition": "whole"},
    {**AWAY, "metric": "edit distance", "condition": "whole"},
)
METRICS = {
    "accuracy": (Metric(name="pass@1", title="Solving"),),
    "shift": (Metric(name="exact match", title="Exact"), Metric(name="edit distance", title="Edits", better="low")),
}


def reading(arm, seed, item, value, of):
    mark = Mark.RIGHT if value else Mark.WRONG
    return Reading(**of, arm=arm, seed=seed, item_id=f"{item}", problem_id=f"{item}", mark=mark, value=value)


def kept(**more):
    figures = {"rate": 2.0, "base": 10.0, "kept": 0.2, "low": 0.1, "high": 0.3, "p_holm": 0.001}
    counts = {"n_answers": 100, "n_problems": 50, "n_seeds": 2}
    row = {"trait": "all markers", "arm": "guided", **figures, **counts, "verdict": "fell", "sentence": "said"}
    return Retention(**{**row, **more})


@pytest.fixture
def study():
    rows = [
        reading(arm, seed, item, float(item % 3 < share), of)
        for arm, share in (("base", 1), ("sft", 2), ("answer_only", 1))
        for seed in (0, 1)
        for item in range(30)
        for of in MEASURED
    ]
    line = Baseline(probe="accuracy", metric="pass@1", name="random", value=0.1)
    found = find(rows, METRICS, form_shares=[("answer_only", "sft")])
    results = Results(
        question="?",
        findings=found.findings,
        levels=found.levels,
        baselines=(line,),
        form_shares=found.form_shares,
        notes=("a note",),
        metrics=METRICS,
    )
    return Recorded(
        name="one",
        problems="ledger",
        model="the world's base",
        parameters=900_000,
        training_seconds=60.0,
        results=results,
        recipes={"sft": "sft", "mine": "cft"},
        retained=(kept(), kept(kept=None, low=None, high=None, verdict="undecided")),
    )


def test_what_is_kept_comes_back_but_for_words_and_what_is_read_beside_the_answer_away(study, tmp_path):
    path = tmp_path / "one.json"
    path.write_text(to_json(study))
    back = read(path)
    assert (back.name, back.recipes, back.training_seconds) == ("one", study.recipes, 60.0)
    assert back.setting == "ledger, the world's base of 0.9 M parameters"
    assert back.results.metrics == METRICS
    assert [row.kept for row in back.retained] == [0.2, None]
    assert back.results.notes == ("a note",)
    assert back.results.baselines == study.results.baselines
    [ours], [theirs] = study.results.form_shares, back.results.form_shares
    assert theirs.share == pytest.approx(ours.share, abs=1e-6)
    wanted = {
        (f.key, f.arm): f for f in study.results.findings if f.metric != "edit distance" and f.condition != "whole"
    }
    found = {(f.key, f.arm): f for f in back.results.findings}
    assert set(found) == set(wanted)
    assert all(found[key].low == pytest.approx(wanted[key].low, abs=1e-6) for key in wanted)
    assert {f.shift for f in back.results.findings} == {None, AWAY["shift"]}
    assert {f.sentence for f in back.results.findings} == {""}
    assert read_all(tmp_path) == [back]


def test_what_is_not_a_number_stays_so(study, tmp_path):
    import msgspec

    first = msgspec.structs.replace(study.results.findings[0], mde=math.nan)
    results = msgspec.structs.replace(study.results, findings=(first,))
    (tmp_path / "x.json").write_text(to_json(msgspec.structs.replace(study, results=results)))
    assert math.isnan(read(tmp_path / "x.json").results.findings[0].mde)


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"name": 1}', "no json"])
def test_a_file_that_is_no_study_is_named(text, tmp_path):
    (tmp_path / "broken.json").write_text(text)
    with pytest.raises(DataError, match=r"broken\.json is not a recorded study .* --record"):
        read_all(tmp_path)


def test_a_folder_without_studies(tmp_path):
    with pytest.raises(DataError, match="holds no recorded study"):
        read_all(tmp_path)


def test_a_recipe_is_named_by_the_options_that_make_it_another():
    plain = ArmSpec(name="a", recipe="instructions")
    space = ArmSpec(name="b", recipe="instructions", options={"definition": "space"})
    tool = ArmSpec(name="c", recipe="roc", options={"tool": "calc", "tool_failures": 0.1})
    read = ArmSpec(name="d", recipe="cft", options={"critic": "reference"})
    assert [recipe_of(spec) for spec in (plain, space, tool, read)] == [
        "instructions",
        "instructions(definition=space)",
        "roc",
        "cft",
    ]


def test_arms_are_found_by_their_recipe_or_by_their_name(study):
    assert study.arms("cft") == ["mine"]
    assert study.arms("cot") == ["cot"]
    assert study.arms("mine") == []  # an arm of that name is something else
