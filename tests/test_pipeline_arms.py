"""Arms that exist already, through whole studies: they are asked what arms trained here are asked, and read no differently."""

import json
import re
import shutil
import subprocess
import sys
from pathlib import Path

import msgspec
import numpy as np
import pytest

import counterform
from counterform.errors import CounterformError, DataError, StudyError
from counterform.export import export
from counterform.pipeline import do_units
from counterform.problems.ledger import Ledger
from counterform.report.attempts import find_attempts
from counterform.report.data import load
from counterform.report.markdown import to_markdown
from counterform.store import RunDir
from counterform.study import (
    ArmSpec,
    AttemptsSpec,
    MatchSpec,
    ModelSpec,
    ProbeSpec,
    ProblemsSpec,
    ResponsesSpec,
    Study,
    TrainSpec,
)
from counterform.types import Graded, Problem, Reading

TRAINED = Study(
    name="arms",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", train=30, held_out=12, lengths=(6,)),
    attempts=AttemptsSpec(samples=3, max_tokens=64),
    match=MatchSpec(cases=8),
    arms=("sft",),
    train=TrainSpec(sft={"num_train_epochs": 1, "per_device_train_batch_size": 8, "learning_rate": 1e-3}),
    probes=("accuracy", "process", "traits", "find_error", "trust"),
    # Greedy: what is sampled differs by the name of its arm, as two arms of one study must not share their luck.
    probe=ProbeSpec(samples=2, k=2, max_tokens=64, attempts=6, trusted=2, temperature=0.0),
)
SCRIPT = """
from counterform.models.scripted import ScriptedAnswer

@ScriptedAnswer
def answer(prompt, sample):
    return "The answer is 1."
"""


DOWN = """
from counterform.errors import ModelError
from counterform.models.scripted import ScriptedModel

class Down(ScriptedModel):
    @classmethod
    def open(cls, spec):
        raise ModelError("the server is down")
"""


@pytest.fixture(scope="module")
def study(tmp_path_factory) -> Study:
    """The same study, with every kind of arm that exists already beside the one that is trained."""
    home = tmp_path_factory.mktemp("existing")
    sys.path.insert(0, str(home))
    (home / "script_of_arms.py").write_text(SCRIPT)
    first = RunDir(counterform.run(TRAINED, home / "run").path)
    answers = first.read_rows("readings/attempts/accuracy/sft-0.parquet", Graded)
    rows = [{"problem_id": g.attempt.problem_id, "response": g.attempt.completion.text} for g in answers]
    (home / "answers.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    # Copied: what is in the run directory is the study's, and is pruned with it.
    shutil.copytree(first / "checkpoints/sft/0", home / "checkpoint")
    arms = (
        "sft",
        ArmSpec(name="same", checkpoint=str(home / "checkpoint")),
        ArmSpec(name="pair", checkpoint=(str(home / "checkpoint"), "world")),
        ArmSpec(name="scripted", model=ModelSpec(kind="scripted", path="script_of_arms:answer")),
        ArmSpec(name="logged", responses=str(home / "answers.jsonl")),
    )
    pairs = (("same", "sft"), ("logged", "same"), ("pair", "same"), ("scripted", "base"))
    yield msgspec.structs.replace(TRAINED, arms=arms, contrasts=pairs, form_shares=(("logged", "sft"),))
    sys.path.remove(str(home))


@pytest.fixture(scope="module")
def before(study) -> dict[str, bytes]:
    """The records of the study before those arms were added, by their unit."""
    return {r.name: r.read_bytes() for r in (home_of(study) / "run/units").rglob("*.json")}


@pytest.fixture(scope="module")
def finished(study, before) -> counterform.Run:
    """The study with all arms, run where the one without them stood."""
    return counterform.run(study, home_of(study) / "run")


def home_of(study) -> Path:
    return Path(study.arms[1].checkpoint).parent


def read(run, arm, probe, seed=0):
    rows = RunDir(run.path).read_rows(f"readings/{probe}/{arm}-{seed}.parquet", Reading)
    return [(r.key, r.item_id, r.mark, r.value) for r in rows]


class TestBesideATrainedArm:
    @pytest.mark.parametrize("probe", TRAINED.probes)
    def test_the_very_same_checkpoint_has_the_very_same_readings(self, finished, probe):
        assert read(finished, "same", probe) == read(finished, "sft", probe)
        assert read(finished, "pair", probe) == read(finished, "sft", probe)
        assert read(finished, "pair", probe, seed=1) == read(finished, "base", probe)

    def test_the_training_changed_something_that_is_read(self, finished):
        assert read(finished, "sft", "traits") != read(finished, "base", "traits")

    @pytest.mark.parametrize("probe", ["accuracy", "process"])
    def test_recorded_answers_are_graded_as_the_model_that_gave_them(self, finished, probe):
        assert read(finished, "logged", probe) == read(finished, "sft", probe)

    def test_recorded_answers_have_as_many_tokens_as_they_had_for_the_model(self, finished):
        lengths = [[row for row in read(finished, arm, "traits") if row[0][1] == "tokens"] for arm in ("logged", "sft")]
        assert lengths[0] == lengths[1]

    def test_they_cost_nothing_that_was_there(self, finished, before):
        now = {r.name: r.read_bytes() for r in (finished.path / "units").rglob("*.json")}
        redone = {name for name, record in before.items() if now[name] != record}
        assert redone <= {"match.json", "find.json", "report.json", "accuracy.json", "process.json", "traits.json"} | {
            f"{name}.json" for name in TRAINED.probes
        }
        paths = ("sample/part-00000", "arm/sft", "train/sft/0", "probe/sft/0/accuracy", "probe/base/0/trust")
        records = RunDir(finished.path).records
        assert all(records[path].made <= records["answers/logged/0"].made for path in paths)

    def test_a_probe_that_needs_a_model_is_not_asked_of_a_record_and_the_report_says_so_once(self, finished):
        assert not (finished.path / "readings/find_error/logged-0.parquet").exists()
        said = [note for note in finished.results.notes if "not asked" in note]
        assert said == [
            f"{probe} was not asked of logged: it needs answers to prompts of its own." for probe in TRAINED.probes[3:]
        ]

    def test_every_arm_but_the_trained_one_is_called_not_trained_here(self, finished):
        assert list(finished.results.existing) == ["same", "pair", "scripted", "logged"]
        page, text = (finished.path / "report.html").read_text(), to_markdown(load(RunDir(finished.path)))
        for shown in (page, text):
            assert "not trained here: recorded answers: answers.jsonl" in shown
            assert "logged (not trained here)" in shown
            assert "sft (not trained here)" not in shown
        assert str(home_of_run(finished)) not in text, "a page that is published names no folder of this machine"

    def test_luck_of_training_is_spoken_of_where_there_is_one(self, finished):
        said = {(f.arm, f.versus): f for f in finished.results.findings if f.metric == "pass@1"}
        unseen = "one seed, so seed variance is not in the interval"
        assert unseen in said["sft", "base"].sentence
        assert unseen not in said["same", "base"].sentence
        assert "same: of this checkpoint alone" in said["same", "base"].sentence
        assert "logged: of these answers alone" in said["logged", "base"].sentence
        assert re.search(r"problems\)\.$", said["scripted", "base"].sentence), "a prompt has no luck of training"
        assert "2 seeds" in said["pair", "base"].sentence
        assert said["pair", "base"].n_seeds == 2
        assert any(note.startswith("One seed of sft:") for note in finished.results.notes)

    def test_equal_arms_differ_by_nothing(self, finished):
        pairs = (("same", "sft"), ("logged", "same"))
        found = [f for f in finished.results.findings if (f.arm, f.versus) in pairs and f.metric.startswith("pass@")]
        assert len(found) == 6
        assert all(f.estimate == 0 and f.verdict == "undecided" for f in found)

    def test_any_arm_may_be_the_control_of_a_form_share(self, finished):
        shares = [s for s in finished.results.form_shares if s.metric == "pass@1"]
        assert [(s.control, s.full) for s in shares] == [("logged", "sft")]

    def test_what_was_not_trained_here_cannot_be_exported_and_says_why(self, finished, tmp_path):
        with pytest.raises(StudyError, match=r"'logged' of .* was not trained here: it is given by its responses"):
            export(finished.path, "logged", to="trl", out=tmp_path / "out")
        assert export(finished.path, "sft", to="trl", out=tmp_path / "out").rows > 0

    def test_its_attempts_can_be_shown_and_its_units_be_done_by_name(self, finished):
        files = RunDir(finished.path)
        [problem, *_] = [p for p in files.read_rows("problems.parquet", Problem) if p.split == "held_out"]
        shown = {graded.attempt.model.partition("-")[0] for graded in find_attempts(files, problem.id)[1]}
        assert shown == {"base", "sft", "same", "pair", "scripted", "logged"}
        told = []
        do_units(finished.path, ["answers/logged/0", "probe/logged/0/accuracy", "probe/same/0/trust"], say=told.append)
        assert [line.partition(" ")[2] for line in told] == ["stands already"] * 3

    def test_a_changed_file_has_its_own_units_done_again_and_an_arm_that_left_is_pruned(
        self, study, finished, tmp_path
    ):
        shutil.copytree(finished.path, tmp_path / "run")
        answers, mine = Path(study.arms[-1].responses), tmp_path / "answers.jsonl"
        mine.write_text("".join(answers.read_text().splitlines(keepends=True)[2:]))
        logged = ArmSpec(name="logged", responses=str(mine))
        changed = msgspec.structs.replace(study, arms=(*study.arms[:-1], logged))
        stood = {r: r.stat().st_mtime_ns for r in (tmp_path / "run/units").rglob("*.json")}
        run = counterform.run(changed, tmp_path / "run")
        done = {str(r.relative_to(run.path / "units")) for r, at in stood.items() if r.stat().st_mtime_ns != at}
        of_logged = {f"probe/logged/0/{probe}.json" for probe in TRAINED.probes[:3]}
        assert done == {"answers/logged/0.json", *of_logged, "find.json", "report.json"}
        [level] = [one for one in run.results.levels if (one.arm, one.metric) == ("logged", "pass@1")]
        assert level.n_items == 11
        assert (
            "logged, answers.jsonl answers 11 of 12 held-out problems; the others are not scored." in run.results.notes
        )
        left = msgspec.structs.replace(changed, arms=study.arms[:-1], form_shares=(), contrasts=())
        counterform.run(left, tmp_path / "run", prune_left=True)
        assert not [path for path in (tmp_path / "run").rglob("*logged*") if path.is_file()]
        assert mine.exists()
        assert answers.exists()


def home_of_run(run):
    return run.path.parent


def problems_of(n, seed=0):
    return Ledger().generate(n, rng=np.random.default_rng(seed))


@pytest.fixture
def recorded(tmp_path, monkeypatch):
    """Runs a study of recorded answers alone, written as a user would; `arms`: its TOML, `rows`: what is in answers.jsonl."""
    monkeypatch.chdir(tmp_path)
    worked = [{"problem": p.prompt, "response": p.solution} for p in problems_of(12)]

    def run(
        arms='{name = "a", responses = "answers.jsonl"}', rows=worked, *, name="answers.jsonl", more="", problems=""
    ):
        if name:
            Path(name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        given = problems or 'family = "ledger"\ntrain = 0\nheld_out = 12'
        Path("study.toml").write_text(
            f'name = "recorded"\nbase = false\nprobes = ["accuracy", "process"]\narms = [{arms}]\n{more}\n'
            f"[problems]\n{given}\n[probe]\nsamples = 2\nk = 2\n"
        )
        return counterform.run(counterform.load_study("study.toml"))

    return run


def levels(run, metric="pass@1"):
    return {one.arm: (one.estimate, one.n_items) for one in run.results.levels if one.metric == metric}


class TestRecordedAnswersAlone:
    def test_they_need_no_trainer_no_torch_and_no_training_problem(self, tmp_path):
        rows = [{"problem": p.id, "output": p.solution} for p in problems_of(12)]
        (tmp_path / "answers.jsonl").write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        (tmp_path / "study.toml").write_text(
            'name = "bare"\nbase = false\nprobes = ["accuracy", "process", "traits", "strategy"]\n'
            'arms = [{name = "a", responses = "answers.jsonl"}]\n[problems]\nfamily = "ledger"\ntrain = 0\nheld_out = 12\n'
        )
        program = (
            "import sys; sys.modules.update(dict.fromkeys(['torch', 'transformers', 'trl', 'openai']))\n"
            "from counterform import load_study, run\n"
            f"found = run(load_study({str(tmp_path / 'study.toml')!r}), {str(tmp_path / 'run')!r}).results\n"
            "print(*[level.metric for level in found.levels], sep='; ')"
        )
        done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=240)
        assert done.stdout.startswith("pass@1; pass@1 lenient"), done.stderr
        assert not {path.name for path in (tmp_path / "run").iterdir()} & {"attempts", "arms", "checkpoints"}

    def test_one_answer_to_a_problem_makes_no_pass_at_two(self, recorded):
        run = recorded()
        assert levels(run) == {"a": (1.0, 12)}
        assert not levels(run, "pass@2")

    def test_an_empty_answer_is_an_answer_and_a_null_is_none(self, recorded):
        rows = [{"problem": p.prompt, "response": p.solution} for p in problems_of(12)]
        rows[0]["response"], rows[1]["response"] = "", None
        run = recorded(rows=rows)
        assert levels(run) == {"a": (pytest.approx(10 / 11), 11)}

    def test_two_files_are_two_seeds_unless_they_are_one(self, recorded):
        Path("more.jsonl").write_text(
            "".join(
                f"{json.dumps({'problem': p.prompt, 'response': f'Well. {p.solution}'})}\n" for p in problems_of(12)
            )
        )
        run = recorded('{name = "a", responses = ["answers.jsonl", "more.jsonl"]}')
        [level] = [one for one in run.results.levels if one.metric == "pass@1"]
        assert (level.estimate, level.n_seeds) == (1.0, 2)
        shutil.copy("answers.jsonl", "more.jsonl")
        with pytest.raises(StudyError, match="numbers 1 and 2 of its seeds hold the same"):
            recorded('{name = "a", responses = ["answers.jsonl", "more.jsonl"]}')

    def test_answers_in_columns_beside_problems_without_keys_are_as_somebody_graded_them(self, recorded):
        rows = [{"question": f"Say {i}?", "a": f"{i}.", "ok": i % 4 != 0, "b": "No."} for i in range(40)]
        problems = 'file = "mine.jsonl"\ntrain = 0\nheld_out = 40'
        arms = '{name = "a", responses = {text = "a", correct = "ok"}}, {name = "b", responses = "b"}'
        run = recorded(arms, rows, name="mine.jsonl", more='contrasts = [["a", "b"]]', problems=problems)
        assert levels(run) == {"a": (0.75, 40)}, "of b nobody said what is right"
        assert levels(run, "pass@1 lenient") == {"a": (0.75, 40)}
        assert any("The problems have no keys" in note for note in run.results.notes)
        assert any("b, mine.jsonl: 40 of 40 answers have no recorded grade" in note for note in run.results.notes)

    def test_one_column_of_grades_for_two_columns_of_answers_is_refused(self, recorded):
        rows = [{"question": f"Say {i}?", "a": "1.", "b": "2.", "correct": True} for i in range(12)]
        arms = '{name = "a", responses = "a"}, {name = "b", responses = "b"}'
        problems = 'file = "mine.jsonl"\ntrain = 0\nheld_out = 12'
        with pytest.raises(DataError, match="both 'a' and 'b' take their grades from one column"):
            recorded(arms, rows, name="mine.jsonl", more='contrasts = [["a", "b"]]', problems=problems)

    def test_with_a_key_every_arm_is_graded_by_the_study(self, recorded):
        rows = [{"problem": p.prompt, "response": p.solution, "correct": False} for p in problems_of(12)]
        run = recorded(rows=rows)
        assert levels(run) == {"a": (1.0, 12)}
        assert any("of 12 recorded grades 12 differ from the study's own" in note for note in run.results.notes)

    def test_a_log_of_a_tool_is_read_and_its_filters_are_one_answer(self, recorded):
        rows = [
            {
                "doc_id": at,
                "doc": {"question": f" {p.prompt}\n"},
                "target": p.answer,
                "arguments": [],
                "resps": [[p.solution if at % 2 else "The answer is 1."]],
                "filtered_resps": ["1"],
                "doc_hash": f"hash {at}",
                "filter": name,
                "metrics": ["exact_match"],
                "exact_match": float(at % 2),
            }
            for at, p in enumerate(problems_of(12))
            for name in ("strict", "flexible")
        ]
        run = recorded('{name = "a", responses = "samples_x.jsonl"}', rows, name="samples_x.jsonl")
        assert levels(run) == {"a": (0.5, 12)}
        assert not any("holds up to" in note for note in run.results.notes)

    @pytest.mark.parametrize(
        ("rows", "arm", "message"),
        [
            ([], "", "empty"),
            ([{"problem": "What?", "response": "x"}], "", "must answer held-out problems"),
            ([{"problem": "What?", "reply": "x"}], "", "no column that is known to hold answers.*'reply'"),
            ([{"a": "b", "response": "x"}], "", "names its problem"),
            ([{"problem": "p", "response": "x"}], '{name = "a", responses = {file = "answers.jsonl", text = "t"}}', "no column 't'"),
            ([], '{name = "a", responses = "gone.jsonl"}', "there is no file .*gone.jsonl"),
            ([], '{name = "a", checkpoint = "./gone"}', "there is no checkpoint"),
            ([], '{name = "a", responses = "./folder"}', "there is no file .*folder"),
        ],
    )  # fmt: skip
    def test_what_cannot_be_read_is_one_message(self, recorded, rows, arm, message):
        with pytest.raises(CounterformError, match=message):
            recorded(*([arm] if arm else []), rows=rows)

    def test_a_model_that_cannot_be_reached_loses_nothing(self, recorded, monkeypatch):
        Path("down.py").write_text(DOWN)
        monkeypatch.syspath_prepend(".")
        both = '{name = "a", responses = "answers.jsonl"}, {name = "b", model = {kind = "down:Down"}}'
        with pytest.raises(CounterformError, match="the server is down"):
            recorded(both, more='contrasts = [["a", "b"]]')
        assert (Path("runs/recorded/units/probe/a/0/process.json")).exists()
        assert levels(recorded()) == {"a": (1.0, 12)}


def test_a_study_of_existing_arms_is_written_and_read_back():
    arms = (
        ArmSpec(name="a", responses=ResponsesSpec(file="x.jsonl", text=("s", "t"))),
        ArmSpec(name="b", checkpoint=("one", "two")),
        ArmSpec(name="c", model=ModelSpec(kind="openai", path="m", base_url="http://x/v1")),
    )
    study = Study(name="x", arms=arms)
    again = msgspec.toml.decode(counterform.study.to_toml(study), type=Study)
    assert [arm.answers for arm in again.existing] == [arm.answers for arm in study.existing]
    assert [arm.checkpoints for arm in again.existing] == [(), ("one", "two"), ()]
    assert again.existing[2].model == arms[2].model
