"""Whole studies on the tiny model: end to end, resumed, changed, broken."""

import json
import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import msgspec
import numpy as np
import pyarrow.parquet as pq
import pytest

import counterform
from counterform.arms.controls import AnswerOnly
from counterform.errors import ControlError, DataError, StudyError
from counterform.findings.blindness import blindness, sentence
from counterform.parts import PARTS
from counterform.results import Inside, MatchCard
from counterform.store import RunDir, rows_of
from counterform.study import (
    ArmSpec,
    AttemptsSpec,
    MatchSpec,
    ProbeSpec,
    ProblemsSpec,
    ResponseColumns,
    Study,
    TrainSpec,
)
from counterform.train.sft import SFT
from counterform.types import Checkpoint, Model, Problem, Reading, Verdict

TINY = Study(
    name="tiny",
    seeds=(0,),
    problems=ProblemsSpec(family="ledger", train=60, held_out=24),
    attempts=AttemptsSpec(samples=3, max_tokens=64),
    match=MatchSpec(cases=24),
    arms=("sft", "cft"),
    contrasts=(("cft", "sft"),),
    train=TrainSpec(sft={"num_train_epochs": 1, "per_device_train_batch_size": 12, "learning_rate": 5e-4}),
    probe=ProbeSpec(samples=2, k=2, max_tokens=64, attempts=12),
)


@pytest.fixture(scope="module")
def finished(tmp_path_factory) -> counterform.Run:
    return counterform.run(TINY, tmp_path_factory.mktemp("tiny"))


def command(*arguments: str, cwd: Path | None = None) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "counterform.cli", *arguments], capture_output=True, text=True, timeout=240, cwd=cwd
    )


class TestEndToEnd:
    def test_leaves_every_file_of_the_layout(self, finished):
        for name in (
            "study.toml",
            "run.json",
            "units/train/cft/0.json",
            "problems.parquet",
            "attempts/part-00000.parquet",
            "arms/sft.parquet",
            "arms/match.json",
            "checkpoints/cft/0/model.safetensors",
            "readings/accuracy/base-0.parquet",
            "readings/find_error/cft-0.parquet",
            "findings.json",
            "report.html",
        ):
            assert (finished.path / name).exists(), name

    def test_no_arm_was_trained_on_a_held_out_problem(self, finished):
        files = RunDir(finished.path)
        held_out = {p.id for p in files.read_rows("problems.parquet", Problem) if p.split == "held_out"}
        trained = set(files.read_table("arms/sft.parquet")["problem_id"].to_pylist())
        assert len(held_out) == 24
        assert trained
        assert not trained & held_out

    def test_arms_share_their_cases_in_order(self, finished):
        files = RunDir(finished.path)
        rows = [files.read_table(f"arms/{arm}.parquet")["problem_id"].to_pylist() for arm in ("sft", "cft")]
        assert rows[0] == rows[1]

    def test_every_arm_answers_the_same_items(self, finished):
        rows = msgspec.convert(finished.readings.to_pylist(), list[Reading])
        items = {arm: {(r.key, r.item_id) for r in rows if r.arm == arm} for arm in ("base", "sft", "cft")}
        assert items["base"] == items["sft"] == items["cft"]

    def test_findings_hold_every_gain_and_contrast_with_interval(self, finished):
        rows = finished.findings.to_pylist()
        assert {(r["arm"], r["versus"]) for r in rows} == {
            ("sft", "base"),
            ("cft", "base"),
            ("cft", "sft"),
        }
        assert all((r["low"] <= r["estimate"] <= r["high"] and r["mde"] > 0) or r["low"] == r["high"] for r in rows)

    def test_a_note_says_what_outcome_scoring_does_not_see_in_the_pool(self, finished):
        notes = json.loads((finished.path / "findings.json").read_text())["notes"]
        [note] = [note for note in notes if note.startswith("Blindness: ")]
        # Of every held-out attempt, and not of those, half with a wrong step, that find_error asks about.
        held_out = {
            p.id for p in rows_of(pq.read_table(finished.path / "problems.parquet"), Problem) if p.split == "held_out"
        }
        rows = pq.read_table(finished.path / "verdicts").to_pylist()
        graded = rows_of(pq.read_table(finished.path / "verdicts"), Verdict)
        pool = [v for row, v in zip(rows, graded, strict=True) if row["problem_id"] in held_out]
        expected = blindness(pool, [row["problem_id"] for row in rows if row["problem_id"] in held_out])
        assert expected.attempts + expected.unread == 24 * 3
        assert note == sentence(expected)

    def test_the_ledger_counts_what_the_match_card_promised(self, finished):
        card = msgspec.json.decode((finished.path / "arms/match.json").read_bytes(), type=MatchCard)
        for arm in card.arms:
            path = finished.path / f"checkpoints/{arm.arm}/0/checkpoint.json"
            ledger = msgspec.json.decode(path.read_bytes(), type=Checkpoint).ledger
            assert ledger.loss_tokens == arm.loss_tokens
            assert ledger.optimizer_steps == 2

    def test_the_written_study_can_be_run_again(self, finished, tmp_path):
        again = counterform.load_study(finished.path / "study.toml")
        assert msgspec.structs.replace(again, data=".") == TINY

    def test_the_report_can_be_made_again_from_files_alone(self, finished):
        before = (finished.path / "report.html").read_bytes()
        (finished.path / "report.html").unlink()
        made = command("report", str(finished.path), "--json")
        assert made.returncode == 0, made.stderr
        assert json.loads(made.stdout)["findings"]
        assert (finished.path / "report.html").read_bytes() == before

    def test_show_prints_an_attempt_step_by_step(self, finished):
        attempt = RunDir(finished.path).read_table("attempts")["id"][0].as_py()
        shown = command("show", str(finished.path), attempt)
        assert shown.returncode == 0, shown.stderr
        assert "right" in shown.stdout or "wrong" in shown.stdout
        assert command("show", str(finished.path), "nobody").returncode == 2


def test_an_arm_that_cannot_be_made_is_refused_and_the_others_go_on(tmp_path, monkeypatch):
    def refuse(self, cases, rng):
        raise ControlError(f"{len(cases)} cases cannot be answered only")

    monkeypatch.setattr(AnswerOnly, "__call__", refuse)
    study = msgspec.structs.replace(
        TINY, arms=("answer_only", "sft"), contrasts=(), probes=("accuracy",), train=TrainSpec(trainer="dry")
    )
    said = []
    for _ in range(2):  # the refusal stands as long as what it was made from
        run = counterform.run(study, tmp_path, say=said.append)
        assert {row["arm"] for row in run.findings.to_pylist()} == {"sft"}
        assert run.results.notes[0] == "answer_only was refused: 24 cases cannot be answered only"
    assert sum("answer_only REFUSED: 24 cases" in line for line in said) == 1
    with pytest.raises(DataError, match="no arm can be made of these cases: 24 cases"):
        counterform.run(msgspec.structs.replace(study, arms=("answer_only",)), tmp_path / "none")


def test_rationales_as_training_data_and_as_exemplars(tmp_path):
    arms = ("invalid_rationale", "shuffled_rationale", "irrelevant_rationale")
    study = msgspec.structs.replace(TINY, arms=arms, contrasts=(), train=TrainSpec(trainer="dry"))
    counterform.run(study, tmp_path, until="arms")
    probe = ProbeSpec(problems=8, max_tokens=32)
    run = counterform.run(msgspec.structs.replace(study, arms=arms[:1], probes=("validity",), probe=probe), tmp_path)
    files = RunDir(run.path)
    texts = [files.read_table(f"arms/{arm}.parquet")["completion"].to_pylist() for arm in arms]
    assert all(len({*row}) == 3 for row in zip(*texts, strict=True))
    asked = {level.condition for level in run.results.levels if level.metric == "answer"}
    assert asked == {"valid", "invalid", "shuffled", "irrelevant", "answer only"}
    assert {f.verdict for f in run.results.findings} == {"undecided"}


class TestInside:
    STUDY = msgspec.structs.replace(
        TINY, probes=("internals",), train=TrainSpec(sft=TINY.train.sft, lora={"r": 2, "target_modules": ["q_proj"]})
    )

    def test_lora_arms_are_seen_inside_and_the_base_is_not_trained(self, tmp_path):
        run = counterform.run(self.STUDY, tmp_path)
        inside = run.results.own_of("internals", Inside)
        assert {level.arm for level in inside.shares} == {"sft", "cft"}
        assert {level.arm for level in inside.layers} == {"base", "sft", "cft"}
        assert {f.metric for f in run.results.findings} == {"AUROC"}
        assert [(c.arm, c.seed) for c in inside.weights.changes] == [("sft", 0), ("cft", 0)]
        assert all(c.overall > 0 == c.outside for c in inside.weights.changes)
        assert inside.weights.cosines[0].cosine is not None
        assert inside.weights.compared == 1
        base = [r for r in msgspec.convert(run.readings.to_pylist(), list[Reading]) if r.arm == "base"]
        assert {r.value for r in base if r.metric == "KL"} == {0.0}

    def test_models_whose_insides_cannot_be_seen_stop_nothing_else(self, tmp_path, monkeypatch):
        monkeypatch.setitem(PARTS["model"], "hf", f"{__name__}:Closed")
        study = msgspec.structs.replace(self.STUDY, probes=("find_error", "internals"), train=TrainSpec(trainer="dry"))
        results = counterform.run(study, tmp_path).results
        assert {f.probe for f in results.findings} == {"find_error"}
        assert any("internals was not asked of base" in note for note in results.notes)


class Closed(Model):
    """As an endpoint is: it answers, and nobody sees inside."""

    def __init__(self, inner):
        self.name, self.inner = inner.name, inner

    @classmethod
    def open(cls, spec):
        from counterform.models.hf import HFModel

        return cls(HFModel.open(spec))

    def generate(self, prompts, **options):
        return self.inner.generate(prompts, **options)

    def logprobs(self, prompt, continuations):
        return self.inner.logprobs(prompt, continuations)


class TestResume:
    def test_a_finished_study_is_not_done_again(self, finished):
        before = {p: p.stat().st_mtime_ns for p in finished.path.rglob("*.parquet")}
        counterform.run(TINY, finished.path)
        assert {p: p.stat().st_mtime_ns for p in finished.path.rglob("*.parquet")} == before

    def test_changing_one_arm_redoes_that_arm_alone(self, finished, tmp_path):
        import shutil

        copy = tmp_path / "copy"
        shutil.copytree(finished.path, copy)
        kept = (copy / "checkpoints/sft/0/model.safetensors").stat().st_mtime_ns
        said: list[str] = []
        changed = msgspec.structs.replace(TINY, arms=("sft", "answer_only"), contrasts=())
        counterform.run(changed, copy, say=said.append)
        assert (copy / "checkpoints/sft/0/model.safetensors").stat().st_mtime_ns == kept
        assert next(line for line in said if line.startswith("train ") and "seed" in line).startswith(
            "train     answer_only"
        )

    @pytest.mark.slow  # the same on parts that cost nothing: stages/test_interruptions.py
    def test_kill_9_in_three_stages_and_byte_identical_findings(self, finished, tmp_path):
        study = tmp_path / "study.toml"
        study.write_text((finished.path / "study.toml").read_text())
        out = tmp_path / "out"
        marks = (
            "attempts/part-00000.parquet",
            "checkpoints/sft/0/checkpoint.json",
            "readings/accuracy/base-0.parquet",
        )
        for mark in marks:
            process = subprocess.Popen(
                [sys.executable, "-m", "counterform.cli", "run", str(study), "--out", str(out)],
                stdout=subprocess.DEVNULL,
                stderr=subprocess.DEVNULL,
            )
            deadline = time.monotonic() + 120
            while not (out / mark).exists() and time.monotonic() < deadline and process.poll() is None:
                time.sleep(0.01)
            assert process.poll() is None, "it ended before it could be killed"
            os.kill(process.pid, signal.SIGKILL)
            process.wait()
            assert (out / mark).exists()
            assert not (out / "findings.json").exists()
        done = command("run", str(study), "--out", str(out))
        assert done.returncode == 0, done.stderr
        assert (out / "findings.json").read_bytes() == (finished.path / "findings.json").read_bytes()
        for path in finished.path.glob("attempts/*.parquet"):
            assert pq.read_table(path).equals(pq.read_table(out / "attempts" / path.name))


class TestNull:
    def test_a_trainer_that_trains_nothing_finds_nothing(self, tmp_path):
        dry = msgspec.structs.replace(
            TINY,
            train=TrainSpec(trainer="dry"),
            arms=(ArmSpec(name="a", recipe="sft"), ArmSpec(name="b", recipe="sft")),
            contrasts=(("a", "b"),),
        )
        results = counterform.run(dry, tmp_path / "dry").results
        # One in twenty may come out by chance, and which does is up to the base that is shipped; none comes out clearly.
        assert min(f.p_holm for f in results.findings) > 0.01

    @pytest.mark.slow
    def test_two_arms_trained_alike_come_out_undecided(self, tmp_path):
        alike = msgspec.structs.replace(
            TINY,
            seeds=(0, 1),
            problems=ProblemsSpec(family="ledger", train=200, held_out=150),
            match=MatchSpec(cases=120),
            arms=(ArmSpec(name="a", recipe="sft"), ArmSpec(name="b", recipe="sft")),
            contrasts=(("a", "b"),),
        )
        results = counterform.run(alike, tmp_path / "alike").results
        assert {f.verdict for f in results.findings if f.versus == "b"} == {"undecided"}


class TestBadInput:
    def test_a_loss_that_is_no_number_stops_that_arm_alone(self, finished, tmp_path):
        class Diverging(SFT):
            def train(self, arm, *, base, seed, out):
                if arm.name == "cft":
                    raise counterform.errors.TrainingDiverged("the loss is nan at step 1.")
                return super().train(arm, base=base, seed=seed, out=out)

        import counterform.pipeline

        globals()["Diverging"] = Diverging
        sys.modules["diverging_parts"] = sys.modules[__name__]
        broken = msgspec.structs.replace(TINY, train=TrainSpec(trainer="diverging_parts:Diverging", sft=TINY.train.sft))
        results = counterform.run(broken, tmp_path / "broken").results
        assert {f.arm for f in results.findings} == {"sft"}
        assert any("cft" in note and "nan" in note for note in results.notes)

    def test_a_pool_without_wrong_attempts(self, tmp_path):
        rows = [
            {
                "prompt": f"What is {n} + 1?",
                "answer": str(n + 1),
                "response": f"The answer is {n + 1}.",
                "correct": True,
            }
            for n in range(20)
        ]
        pool = tmp_path / "pool.jsonl"
        pool.write_text("\n".join(map(json.dumps, rows)))
        study = msgspec.structs.replace(
            TINY,
            problems=ProblemsSpec(file=str(pool), train=15, held_out=5),
            attempts=AttemptsSpec(file=str(pool)),
        )
        with pytest.raises(DataError, match="no wrong attempts"):
            counterform.run(study, tmp_path / "out")

    def test_more_problems_asked_for_than_there_are(self, tmp_path):
        pool = tmp_path / "pool.jsonl"
        pool.write_text('{"question": "1 + 1?", "answer": "#### 2"}\nnot json\n')
        study = msgspec.structs.replace(TINY, problems=ProblemsSpec(file=str(pool), train=15, held_out=5))
        with pytest.raises(DataError, match=r"1 usable problems.*15.*5"):
            counterform.run(study, tmp_path / "out")

    def test_an_unknown_trl_option_is_refused_before_anything_runs(self, tmp_path):
        study = msgspec.structs.replace(TINY, train=TrainSpec(sft={"learning_rat": 1e-4}))
        with pytest.raises(StudyError, match="Did you mean 'learning_rate'"):
            counterform.run(study, tmp_path / "out")
        assert not (tmp_path / "out" / "problems.parquet").exists()

    @pytest.mark.parametrize(
        ("text", "words"),
        [
            ('name = "x"\narms = ["sftt"]', "Did you mean 'sft'"),
            ('name = "x"\nseeds = "two"', "$.seeds"),
            ('name = "x"\n[problems]\nfamily = "ledgers"', "Did you mean 'ledger'"),
            ('name = "x"\nprobes = ["acuracy"]', "Did you mean 'accuracy'"),
            ('name = "x"\n[model]\npath = "/nowhere/at/all"', "cannot load the model"),
            ('name = "x"\n[problems]\nfile = "missing.jsonl"', "there is no file"),
            ("name = ", "not a TOML file"),
        ],
    )
    def test_one_message_exit_code_2_no_traceback(self, tmp_path, text, words):
        study = tmp_path / "study.toml"
        study.write_text(text)
        done = command("run", str(study), "--out", str(tmp_path / "out"))
        assert done.returncode == 2
        assert words in done.stderr
        assert "Traceback" not in done.stderr

    def test_two_runs_in_one_directory(self, finished):
        from counterform.store import open_run

        with open_run(finished.path):
            done = command("run", str(finished.path / "study.toml"), "--out", str(finished.path))
        assert done.returncode == 2
        assert "another run is at work" in done.stderr


class TestSplit:
    def stored(self, problems, tmp_path):
        study = msgspec.structs.replace(TINY, problems=problems)
        counterform.run(study, tmp_path, until="problems")
        rows = RunDir(tmp_path).read_rows("problems.parquet", Problem)
        return [[p for p in rows if p.split == split] for split in ("train", "held_out")]

    def test_a_family_that_marks_its_split_holds_out_whole_tasks(self, tmp_path):
        train, held_out = self.stored(ProblemsSpec(family="sorting-out", train=70, held_out=10), tmp_path)
        assert (len(train), len(held_out)) == (70, 10)
        assert not {p.facts["task"] for p in train} & {p.facts["task"] for p in held_out}

    def test_a_family_that_marks_none_is_split_in_order(self, tmp_path):
        from counterform.problems.ledger import Ledger

        train, held_out = self.stored(ProblemsSpec(family="ledger", train=7, held_out=3), tmp_path)
        assert [p.id for p in [*train, *held_out]] == [
            p.id for p in Ledger().generate(10, rng=np.random.default_rng(0))
        ]

    def test_the_users_instructions_are_held_out_whole_and_their_spaces_shown(self, tmp_path):
        rows = [
            {
                "id": f"{kind}-{at}",
                "text": f"{kind} {at}",
                "label": ("odd", "even")[at % 2],
                "asks": f"Is the {kind} odd?",
            }
            for kind in ("sum", "count", "size")
            for at in range(10)
        ]
        attempts = [{"problem": row["id"], "a": "The answer is odd.", "b": "The answer is even."} for row in rows]
        for name, content in (("rows.jsonl", rows), ("pool.jsonl", attempts)):
            (tmp_path / name).write_text("\n".join(map(json.dumps, content)))
        study = msgspec.structs.replace(
            TINY,
            problems=ProblemsSpec(
                file=str(tmp_path / "rows.jsonl"),
                prompt="text",
                answer="label",
                instruction="asks",
                train=16,
                held_out=8,
            ),
            attempts=AttemptsSpec(
                file=str(tmp_path / "pool.jsonl"), responses=(ResponseColumns(text="a"), ResponseColumns(text="b"))
            ),
            match=MatchSpec(cases=16),
            arms=(
                ArmSpec(name="full", recipe="instructions"),
                ArmSpec(
                    name="control", recipe="instructions", options={"definition": "empty", "demonstrations": "delusive"}
                ),
            ),
            contrasts=(("control", "full"),),
            train=TrainSpec(trainer="dry"),
            probes=("instructions",),
        )
        said = []
        run = counterform.run(study, tmp_path / "out", say=said.append)
        problems = RunDir(run.path).read_rows("problems.parquet", Problem)
        sides = {p.facts["task"]: p.split for p in problems}
        assert sorted(sides.values()) == ["held_out", "train", "train"]
        assert all(sides[p.facts["task"]] == p.split for p in problems)
        note = "3 instructions, answer spaces inferred from the answers that occur with the same instruction: 2 labels"
        assert any(line.startswith(f"problems: {note}") for line in said)
        assert run.results.notes[0].startswith(note)
        assert {line.metric for line in run.results.baselines} == {"exact match", "exact match in space", "beyond form"}
        assert {f.metric for f in run.results.findings} >= {"exact match", "in space", "beyond form"}
        examples = RunDir(run.path).read_table("arms/control.parquet").to_pylist()
        assert len(examples) == 16
        assert not any("Is the" in example["prompt"] for example in examples)

    def test_too_few_rows_once_whole_instructions_are_held_out(self, tmp_path):
        rows = [{"q": f"{at}", "a": "xy"[at % 2], "asks": "AB"[at >= 6]} for at in range(12)]
        (tmp_path / "rows.jsonl").write_text("\n".join(map(json.dumps, rows)))
        spec = ProblemsSpec(
            file=str(tmp_path / "rows.jsonl"), prompt="q", answer="a", instruction="asks", train=6, held_out=2
        )
        with pytest.raises(DataError, match=r"leaves 4 training and 2 held-out problems"):
            self.stored(spec, tmp_path / "out")
