import json

import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.errors import DataError, StudyError
from counterform.findings.checks import FORM
from counterform.problems.source import read
from counterform.starter import fresh_name, starter
from counterform.starter.sizes import MOST_TRAIN, UNSEEN_TOKENS, effect_of, sizes_of, tokens_for
from counterform.study import load_study

ROWS = [
    {
        "question": f"What is {n} + {n}?",
        "answer": str(2 * n),
        "solution": f"{n} + {n} = {2 * n}. The answer is {2 * n}.",
    }
    for n in range(60)
]


@pytest.fixture
def file(tmp_path):
    def write(name, rows):
        path = tmp_path / name
        path.write_text("".join(f"{json.dumps(row)}\n" for row in rows))
        return path

    return write


def pool(*, step):
    """Of every problem a right attempt, and a wrong one with or without a wrong step that can be read."""
    for row in ROWS:
        n, right = int(row["answer"]) // 2, row["answer"]
        wrong = (
            f"{n} + {n} = {2 * n + 1}. The answer is {2 * n + 1}." if step else f"I guess. The answer is {2 * n + 1}."
        )
        yield {"question": row["question"], "response": row["solution"], "correct": True}
        yield {"question": row["question"], "response": wrong, "correct": right == "x"}


def test_the_study_has_the_users_data_in_it_and_is_one_that_loads(file, tmp_path):
    rows = [*ROWS, {"question": "no key"}, ROWS[0]]
    found = starter(tmp_path / "my.toml", file("rows.jsonl", rows), "world", name="my")
    (tmp_path / "my.toml").write_text(found.text)
    study = load_study(tmp_path / "my.toml")
    assert study.problems.file == str(tmp_path / "rows.jsonl")
    assert (study.problems.prompt, study.problems.answer, study.problems.solution) == ("question", "answer", "solution")
    assert [arm.name for arm in study.arm_specs] == ["sft", "rft", "cft", "answer_only"]
    assert study.model.path == "world"
    split = read(tmp_path / "rows.jsonl", study.problems)
    assert (len(split.train), len(split.held_out)) == (30, 30)
    assert "60 with a worked solution" in found.notes[0]
    assert found.notes[1] == "left out: 2; the first at line 61: no column `answer`"


def test_every_comment_finds_its_key(file, tmp_path):
    (tmp_path / "long").mkdir()
    model = tmp_path / "long" / f"{'x' * 40}.gguf"
    model.write_bytes(b"GGUF tokenizer.chat_template")
    text = starter(tmp_path / "my.toml", file("rows.jsonl", ROWS), str(model), name="my").text
    for comment in (
        "trained, from these weights",
        "says in which form",
        "only probes see",
        "where seed variance is small",
    ):
        assert comment in text


def test_recorded_attempts_are_recognised_and_say_how_many_cases_there_are(file, tmp_path):
    path = file("rows.jsonl", ROWS)
    found = starter(tmp_path / "my.toml", path, "world", file("pool.jsonl", pool(step=True)), name="my")
    study = found.study
    assert study.attempts.responses[0].text == "response"
    assert study.attempts.responses[0].correct == "correct"
    assert study.match.cases == study.problems.train == 30
    assert study.arms == ("sft", "rft", "cft", "answer_only")
    assert "120 attempts" in found.notes[1]
    assert "nothing is sampled" in found.text


def test_critiques_compare_with_worked_solutions_where_no_wrong_step_can_be_read(file, tmp_path):
    path = file("rows.jsonl", ROWS)
    study = starter(tmp_path / "my.toml", path, "world", file("pool.jsonl", pool(step=False)), name="my").study
    assert [arm.options for arm in study.arm_specs] == [{}, {}, {"critic": "reference"}, {}]


def test_without_solutions_the_first_arm_imitates_right_attempts(file, tmp_path):
    rows = [{"prompt": row["question"], "answer": row["answer"]} for row in ROWS]
    study = starter(tmp_path / "my.toml", file("rows.jsonl", rows), "world", name="my").study
    assert study.arms == ("rft", "cft", "answer_only")
    assert (study.contrasts, study.form_shares) == ((("cft", "rft"),), (("answer_only", "rft"),))


def test_what_is_not_recognised_is_set(file, tmp_path):
    rows = [{"q": row["question"], "gold": row["answer"]} for row in ROWS]
    path = file("rows.jsonl", rows)
    with pytest.raises(DataError, match="Name yours"):
        starter(tmp_path / "my.toml", path, "world", name="my")
    settings = ["problems.prompt=q", "problems.answer=gold", "probe.samples=2", "probe.k=2", "seeds=[7]"]
    study = starter(tmp_path / "my.toml", path, "world", name="my", settings=settings).study
    assert (study.problems.prompt, study.probe.samples, study.seeds) == ("q", 2, (7,))
    with pytest.raises(StudyError, match="unknown field `smaples`"):
        starter(tmp_path / "my.toml", path, "world", name="my", settings=["probe.smaples=1", *settings])


@pytest.mark.parametrize("chat", [True, False])
def test_a_model_with_a_chat_template_is_told_the_form(chat, file, tmp_path):
    (tmp_path / "model").mkdir()
    (tmp_path / "model" / "tokenizer_config.json").write_text(json.dumps({"chat_template": "x"} if chat else {}))
    study = starter(tmp_path / "my.toml", file("rows.jsonl", ROWS), str(tmp_path / "model"), name="my").study
    assert study.problems.template == (FORM if chat else "{prompt}")
    assert study.train.lora is None


def test_of_a_hub_id_nothing_is_fetched_and_adapters_are_trained(file, tmp_path):
    path = file("rows.jsonl", ROWS)
    told, bare = (
        starter(tmp_path / "my.toml", path, name, name="my").study for name in ("org/some-Instruct", "org/some")
    )
    assert (told.problems.template, bare.problems.template) == (FORM, "{prompt}")
    assert told.train.lora == {"r": 16, "target_modules": "all-linear"}


def test_few_cases_are_read_more_often(file, tmp_path):
    path = file("rows.jsonl", ROWS)
    few, many = (
        starter(tmp_path / "my.toml", path, "world", pool, name="my").study.train.sft["num_train_epochs"]
        for pool in (file("few.jsonl", list(pool(step=True))[:40]), None)
    )
    assert few > many


def test_a_comment_on_seeds_is_of_the_seeds_that_were_set(file, tmp_path):
    path = file("rows.jsonl", ROWS)
    text = starter(tmp_path / "my.toml", path, "world", name="my", settings=["seeds=[0]"]).text
    assert "no interval covers seed variance" in text


def test_too_few_rows(file, tmp_path):
    with pytest.raises(DataError, match=r"holds 3 usable problems; a study needs 8"):
        starter(tmp_path / "my.toml", file("rows.jsonl", ROWS[:3]), "world", name="my")


@pytest.mark.parametrize("problems", [8, 30, 200, 5_000])
def test_sizes_leave_half_of_the_problems_for_training(problems):
    found = sizes_of(problems, 4)
    assert 0 < found.held_out <= problems // 2
    assert found.train == min(problems - found.held_out, MOST_TRAIN)
    assert 0.05 < effect_of(found.held_out, 3, 4, 4) < effect_of(found.held_out, 2, 4, 4)


def test_more_problems_are_held_out_while_they_are_worth_it():
    assert [sizes_of(n, 4).held_out for n in (40, 100, 5_000)] == [20, 50, 100]


def test_tokens_of_answers():
    assert tokens_for(["word " * 40], []) == 128
    assert tokens_for([], ["word " * 40]) == UNSEEN_TOKENS
    assert tokens_for(["word " * 4_000], []) == 1_024


def test_a_name_is_fresh(tmp_path):
    assert fresh_name("my rows!", tmp_path) == "my-rows"
    (tmp_path / "my-rows").mkdir()
    (tmp_path / "my-rows-2").mkdir()
    assert fresh_name("my rows!", tmp_path) == "my-rows-3"
    assert fresh_name("...", tmp_path) == "study"


def test_the_command_asks_nothing_and_never_overwrites(file, tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    file("rows.jsonl", ROWS)
    (tmp_path / "runs" / "rows").mkdir(parents=True)
    arguments = ["init", "--problems", "rows.jsonl", "--model", "world"]
    done = CliRunner().invoke(app, arguments)
    assert done.exit_code == 0, done.exception
    assert load_study(tmp_path / "study.toml").name == "rows-2"
    assert "exists and is left as it is" in str(CliRunner().invoke(app, arguments).exception)
    assert "--problems goes with --model" in str(
        CliRunner().invoke(app, ["init", "new.toml", "--problems", "rows.jsonl"]).exception
    )
    assert "go with --problems FILE" in str(CliRunner().invoke(app, ["init", "new.toml", "--model", "world"]).exception)
    assert not (tmp_path / "new.toml").exists()
