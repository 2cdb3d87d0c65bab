"""Every key of the study file: what is done again where it changes, and what is not."""

import json
import shutil
from fnmatch import fnmatch

import msgspec
import pytest

import counterform
from counterform.errors import RunDirError
from counterform.specs import SweepSpec
from counterform.store import RunDir
from counterform.study import ArmSpec, ChatSpec, EngineSpec, LoadSpec, ModelSpec, ProblemsSpec, ResponseColumns, Study
from counterform.types import Problem

FINDINGS = "find report"
READ = "probe/sft/* probe/other/*"
TRAINED = f"train/* {READ} {FINDINGS}"
COMPILED = f"arm/* match {TRAINED}"
GRADED = f"verify/* {COMPILED} probe/base/0/find_error"
NOTHING, ANOTHER = "report", "another study"
"""The report shows the study file, whatever stands in it."""
OTHER = ArmSpec(name="other", recipe="rft")
EXISTING = ("checkpoint", "model", "responses")
"""Keys of an arm that say who answers, in place of `recipe`."""


def probes(*names):
    return " ".join(f"probe/*/{name}" for name in names) + f" {FINDINGS}"


# Path of a key -> (another value, units that are done again). Of a table with a key of its own below, its keys stand for it.
TABLE = {
    "name": ("renamed", "report"),
    "question": ("What is it?", FINDINGS),
    "seeds": ((0, 1), f"*/1 */1/* {FINDINGS}"),
    "data": ("/tmp", ""),
    "model.kind": ("parts_of_a_study:OtherSolver", ANOTHER),
    "model.path": ("another", ANOTHER),
    "model.revision": ("v1", ANOTHER),
    "model.trust_remote_code": (True, ANOTHER),
    "model.base_url": ("http://127.0.0.1:1/v1", ANOTHER),
    "model.api_key_env": ("MY_KEY", NOTHING),
    "model.dtype": ("float32", ANOTHER),
    "model.batch_size": (3, NOTHING),
    "model.concurrency": (3, NOTHING),
    "model.chat": (ChatSpec(system="Be brief."), ANOTHER),
    "model.load": (LoadSpec(quantization_config={"quant_method": "gptq"}), ANOTHER),
    "model.engine": (EngineSpec(serve=("server", "{path}", "{port}")), ANOTHER),
    "model.tool": ("calc", ANOTHER),
    "model.tool_failures": (0.5, ANOTHER),
    "problems.family": ("parts_of_a_study:Steps", ANOTHER),
    "problems.lengths": ((3,), ANOTHER),
    "problems.options": ({"without": (("add", "double"),)}, ANOTHER),
    "problems.file": ("mine.jsonl", ANOTHER),
    "problems.dataset": ("us/sums", ANOTHER),
    "problems.config": ("main", ANOTHER),
    "problems.split": ("test", ANOTHER),
    "problems.revision": ("v1", ANOTHER),
    "problems.prompt": ("column", ANOTHER),
    "problems.answer": ("column", ANOTHER),
    "problems.solution": ("column", ANOTHER),
    "problems.instruction": ("column", ANOTHER),
    "problems.space": ("column", ANOTHER),
    "problems.template": ("Say. {prompt}", ANOTHER),
    "problems.shift": ("column", ANOTHER),
    "problems.shift_file": ("mine.jsonl", ANOTHER),
    "problems.train": (13, ANOTHER),
    "problems.held_out": (7, ANOTHER),
    "attempts.samples": (6, f"sample/* {GRADED}"),
    "attempts.temperature": (0.5, f"sample/* {GRADED}"),
    "attempts.max_tokens": (41, f"sample/* {GRADED}"),
    "attempts.model": (ModelSpec(kind="parts_of_a_study:OtherSolver"), f"sample/* {GRADED}"),
    "attempts.file": ("attempts.jsonl", f"sample/* audit {GRADED}"),
    "attempts.problem": ("id", NOTHING),  # of a file, and there is none
    "attempts.responses": ((ResponseColumns(text="a"),), NOTHING),
    "verify.steps": ("parts_of_a_study:Steps", f"audit {GRADED} probe/base/*"),
    "verify.seconds": (1.0, NOTHING),
    "match.by": ("loss_tokens", COMPILED),
    "match.cases": (7, COMPILED),
    "match.pairs": (2, COMPILED),
    "arms": (("sft", OTHER, "cft"), f"arm/cft match train/cft/* probe/cft/* {FINDINGS}"),
    "arms[].name": ("named", f"arm/named match train/named/* probe/named/* {FINDINGS}"),
    "arms[].recipe": ("answer_only", f"arm/other match train/other/* probe/other/* {FINDINGS}"),
    "arms[].options": ({"share_wrong": 0.5}, f"arm/other match train/other/* probe/other/* {FINDINGS}"),
    "arms[].train": ({"learning_rate": 1e-2}, f"train/other/* probe/other/* {FINDINGS}"),
    "arms[].checkpoint": ("world", ""),
    "arms[].model": (ModelSpec(kind="parts_of_a_study:OtherSolver"), f"match probe/other/* {FINDINGS}"),
    "arms[].responses": (
        "answers.jsonl",
        f"match answers/other/0 probe/other/0/accuracy probe/other/0/shift {FINDINGS}",
    ),
    "base": (False, FINDINGS),
    "train.trainer": ("parts_of_a_study:OtherCopy", TRAINED),
    "train.sft": ({"learning_rate": 1e-2}, TRAINED),
    "train.grpo": ({"learning_rate": 1e-2}, NOTHING),  # no arm samples for itself
    "train.dpo": ({"beta": 0.2}, NOTHING),  # and none learns from pairs
    "train.kto": ({"beta": 0.2}, NOTHING),
    "train.orpo": ({"beta": 0.2}, NOTHING),
    "train.sdft": ({"max_steps": 2}, NOTHING),
    "train.sdpo": ({"max_steps": 2}, NOTHING),
    "train.readings": ((0.5,), ""),
    "train.sweep": (SweepSpec(learning_rate=(1e-3, 1e-2), choose="best in validation"), ""),
    "train.lora": ({"r": 2}, TRAINED),
    "train.keep": ("none", f"train/* {NOTHING}"),
    "train.launch": (("--num_processes", "2"), TRAINED),
    "probes": (("accuracy", "find_error", "shift", "process"), probes("process")),
    "probe.samples": (3, probes("accuracy", "shift")),
    "probe.k": (1, probes("accuracy")),
    "probe.temperature": (0.5, probes("accuracy", "shift")),
    "probe.max_tokens": (41, probes("accuracy", "shift", "find_error")),
    "probe.problems": (5, probes("accuracy", "shift")),
    "probe.attempts": (5, probes("find_error")),
    "probe.shifted": (1, f"shifted {probes('shift')}"),
    # Of probes that this study does not have; test_reads.py holds each probe to what it declares.
    "probe.exemplars": (2, NOTHING),
    "probe.trusted": (2, NOTHING),
    "probe.calls": (2, NOTHING),
    "probe.tokens": (20, NOTHING),
    "probe.rule_note": ("No.", NOTHING),
    "probe.wrong_verifiers": ((), NOTHING),
    "probe.lexicon": ("lexicon.json", FINDINGS),
    "run.executor": ("slurm", ""),
    "run.workers": (2, ""),
    "run.gpus": ({"train": 1.0}, ""),
    "run.slurm": ({"slurm_partition": "short"}, ""),
    "contrasts": ((), FINDINGS),
    "doses": (((("other", "sft")),), f"dose/* {FINDINGS}"),
    "form_shares": ((("other", "sft"),), FINDINGS),
    "decide.contrasts": ((("other", "sft"),), ""),
    "decide.margin": (0.1, NOTHING),  # of rounds that there are none of
    "decide.alpha": (0.1, NOTHING),
    "decide.batch": (3, NOTHING),
}


def keys(table, before=""):
    for field in msgspec.structs.fields(table):
        yield f"{before}{field.name}"
        inner = {"model": ModelSpec, "problems": ProblemsSpec, "arms": ArmSpec}.get(field.name, field.type)
        if before == "" and isinstance(inner, type) and issubclass(inner, msgspec.Struct):
            yield from keys(inner, f"{field.name}[]." if field.name == "arms" else f"{field.name}.")


def test_no_key_is_missing():
    tables = {name.partition(".")[0] for name in TABLE if "." in name and "[]" not in name}
    assert set(TABLE) == set(keys(Study)) - tables


pytestmark = pytest.mark.usefixtures("blank_pages")


@pytest.fixture(scope="module")
def finished(study, tmp_path_factory):
    return counterform.run(study, tmp_path_factory.mktemp("finished") / "run").path


@pytest.fixture
def again(finished, tmp_path, monkeypatch):
    """Runs a study where the finished one stands; the units that were done."""
    monkeypatch.chdir(tmp_path)
    shutil.copytree(finished, tmp_path / "run")

    def look():
        return {
            str(path.relative_to(tmp_path / "run" / "units").with_suffix("")): (
                path.stat().st_ino,
                path.stat().st_mtime_ns,
            )
            for path in (tmp_path / "run" / "units").rglob("*.json")
        }

    def run(changed):
        before = look()
        counterform.run(changed, tmp_path / "run")
        return {unit for unit, which in look().items() if before.get(unit) != which}

    return run


def with_key(study, path, value):
    table, _, key = path.rpartition(".")
    if table == "arms[]" and key in EXISTING:
        return msgspec.structs.replace(study, contrasts=(), arms=("sft", ArmSpec(name="other", **{key: value})))
    if table == "arms[]":
        return msgspec.structs.replace(
            study, contrasts=(), arms=("sft", msgspec.structs.replace(OTHER, **{key: value}))
        )
    if table:
        return msgspec.structs.replace(study, **{table: msgspec.structs.replace(getattr(study, table), **{key: value})})
    return msgspec.structs.replace(study, **{key: value})


def touched(folder):
    return {path: (path.stat().st_ino, path.stat().st_mtime_ns) for path in folder.rglob("*")}


@pytest.mark.parametrize("path", [path for path, (_, redone) in TABLE.items() if redone == ANOTHER])
def test_another_study_is_refused_before_anything_is_touched(study, again, path, tmp_path):
    before = touched(tmp_path / "run")
    table, _, key = path.rpartition(".")
    with pytest.raises(RunDirError, match=rf"holds another study, 'changes': .*\$\.{table}\.{key} is .*--out"):
        again(with_key(study, path, TABLE[path][0]))
    assert touched(tmp_path / "run") == before


ELSEWHERE = {
    "doses": "test_pipeline_strategy.py",
    "arms[].checkpoint": "test_pipeline_arms.py",
    "decide.contrasts": "test_decide.py",
    "train.readings": "test_pipeline_budgets.py",
    "train.sweep": "test_pipeline_budgets.py",
    "run.executor": "tests/workers",
    "run.gpus": "tests/workers",
}
"""Keys that need weights, rounds or another machine, and where they are tested."""


@pytest.mark.parametrize(
    "path", [path for path, (_, redone) in TABLE.items() if redone != ANOTHER and path not in ELSEWHERE]
)
def test_exactly_these_units_are_done_again_and_going_back_gives_the_findings_of_before(
    study, again, path, tmp_path, finished
):
    """Whatever was tried in between, finished or not: another study's files never stand under this one's keys."""
    value, expected = TABLE[path]
    (tmp_path / "lexicon.json").write_text(json.dumps({"kinds": {"hedge": ["perhaps"]}}))
    problems = RunDir(tmp_path / "run").read_rows("problems.parquet", Problem)
    rows = [{"problem": p.id, "response": f"The answer is {a}."} for p in problems for a in (p.answer, "7")]
    for name in ("attempts.jsonl", "answers.jsonl"):
        (tmp_path / name).write_text("".join(f"{json.dumps(row)}\n" for row in rows))
    changed = with_key(study, path, value)
    if path == "arms[].options":  # of a recipe that has some
        critique = msgspec.structs.replace(OTHER, recipe="cft")
        again(msgspec.structs.replace(study, arms=("sft", critique)))
        changed = msgspec.structs.replace(study, arms=("sft", msgspec.structs.replace(critique, options=value)))
    done = again(changed)
    patterns = expected.split()
    assert all(any(fnmatch(unit, pattern) for pattern in patterns) for unit in done), sorted(done)
    for pattern in patterns:
        assert any(fnmatch(unit, pattern) for unit in done), (pattern, sorted(done))
    assert again(changed) == set()
    if expected not in (NOTHING, ""):
        again(study)
        assert (tmp_path / "run" / "findings.json").read_bytes() == (finished / "findings.json").read_bytes()


def test_the_same_models_and_data_named_from_elsewhere_are_the_same_study(study, tmp_path, monkeypatch):
    def named(path, **changes):
        model = msgspec.structs.replace(study.model, path=path)
        attempts = msgspec.structs.replace(study.attempts, model=model)
        return msgspec.structs.replace(study, model=model, attempts=attempts, **changes)

    (tmp_path / "here" / "solver").mkdir(parents=True)
    monkeypatch.chdir(tmp_path / "here")
    counterform.run(named("solver"), tmp_path / "run", until="sample")
    before = (tmp_path / "run/units/sample/part-00000.json").stat().st_mtime_ns
    monkeypatch.chdir(tmp_path)
    counterform.run(named("here/solver", data="here"), tmp_path / "run", until="sample")
    counterform.pipeline.do_units(tmp_path / "run", ["sample/part-00000"])
    assert (tmp_path / "run/units/sample/part-00000.json").stat().st_mtime_ns == before


def test_seeds_that_are_others(study, again):
    with pytest.raises(RunDirError, match=r"\$\.seeds is \[5\] and there \[0\]"):
        again(msgspec.structs.replace(study, seeds=(5,)))


@pytest.mark.parametrize(
    "name", ["arms/other.parquet", "attempts/part-00000.parquet", "checkpoints/other/0/weights.txt"]
)
@pytest.mark.parametrize("how", ["gone", "cut"])
def test_a_unit_whose_file_is_gone_or_cut_is_done_again_and_no_other(again, study, tmp_path, finished, name, how):
    path = tmp_path / "run" / name
    whole = path.read_bytes()
    path.unlink()
    if how == "cut":
        path.write_bytes(whole[:-1])
    unit = {"arms/other.parquet": "arm/other", "attempts/part-00000.parquet": "sample/part-00000"}.get(
        name, "train/other/0"
    )
    assert again(study) == {unit}
    assert path.read_bytes() == whole
    assert (tmp_path / "run" / "findings.json").read_bytes() == (finished / "findings.json").read_bytes()


@pytest.mark.parametrize("kind", ["model", "trainer", "recipe", "probe"])
def test_the_source_of_what_a_study_names_is_in_the_key_of_what_it_makes(study, tmp_path, monkeypatch, kind):
    source = {
        "model": "from parts_of_a_study import Solver\nclass Mine(Solver): pass\n",
        "trainer": "from parts_of_a_study import Copy\nclass Mine(Copy): pass\n",
        "recipe": "from counterform.arms.imitation import Rejection\nclass Mine(Rejection): pass\n",
        "probe": "from counterform.probes.accuracy import Accuracy\nclass Mine(Accuracy): name = 'mine'\n",
    }[kind]
    name = f"mine_{kind}"
    (tmp_path / f"{name}.py").write_text(source)
    monkeypatch.syspath_prepend(tmp_path)
    changed, expected = {
        "model": (
            with_key(study, "attempts.model", ModelSpec(kind=f"{name}:Mine")),
            {"sample", "verify", "arm", "train"},
        ),
        "trainer": (with_key(study, "train.trainer", f"{name}:Mine"), {"train"}),
        "recipe": (with_key(study, "arms[].recipe", f"{name}:Mine"), {"arm", "train"}),
        "probe": (with_key(study, "probes", (f"{name}:Mine",)), set()),
    }[kind]
    run = counterform.run(changed, tmp_path / "run")
    before = {path: path.stat().st_mtime_ns for path in (run.path / "units").rglob("*.json")}
    counterform.run(changed, tmp_path / "run")
    assert {path: path.stat().st_mtime_ns for path in before} == before
    (tmp_path / f"{name}.py").write_text(source + "# a change\n")
    counterform.run(changed, tmp_path / "run")
    done = {
        str(p.relative_to(run.path / "units")).partition("/")[0] for p in before if p.stat().st_mtime_ns != before[p]
    }
    assert expected <= done
    assert "probe" in done
    assert not done & {"problems", "audit", "sample", "arm"} - expected
