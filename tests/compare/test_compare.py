"""From logs to an answer: what comes out of a comparison, and one message where nothing can."""

import json
import re
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner

from counterform.cli import app
from counterform.compare import compare_arms, example_logs
from counterform.errors import DataError, StudyError
from counterform.report.compared import FIELDS, LINES, as_json, lines, summary
from counterform.report.compared_page import page, write_page

runner = CliRunner()


def log(path, rows):
    path.write_text("".join(json.dumps(row) + "\n" for row in rows), encoding="utf-8")
    return path


def scored(path, values, **more):
    return log(path, [{"id": n, "prompt": f"q{n}", "score": value, **more} for n, value in enumerate(values)])


@pytest.fixture
def two(tmp_path):
    """Two plain logs of 60 items: the second right at every item of the first and at ten more."""
    first = [1] * 30 + [0] * 30
    return scored(tmp_path / "a.jsonl", first), scored(tmp_path / "b.jsonl", [1] * 40 + [0] * 20)


class TestTheExample:
    def test_most_of_the_gain_is_format(self):
        found = compare_arms(example_logs())
        strict, flexible = found.comparisons
        assert (strict.verdict, flexible.verdict) == ("better", "undecided")
        [split] = found.form_splits
        assert (split.strict, split.flexible) == ("exact_match,strict-match", "exact_match,flexible-extract")
        assert split.gain == pytest.approx(44 / 60)
        assert split.form == pytest.approx(35 / 60)
        assert split.form_low > 0.4
        assert split.rest_low < 0 < split.rest_high

    def test_the_answer_and_the_page(self, tmp_path):
        done = runner.invoke(app, ["compare", "--out", str(tmp_path / "out"), "--by", "operations"])
        assert done.exit_code == 0
        assert "+58.3" in done.stdout
        assert "are format" in done.stdout
        text = (tmp_path / "out" / "report.html").read_text()
        assert text.index("Read these first") < text.index("By level") < text.index("What was read")
        kept = json.loads((tmp_path / "out" / "compare.json").read_text())
        assert {level["column"] for level in kept["levels"]} == {"operations"}
        assert {c["metric"] for c in kept["regraded"]} == {"counterform strict", "counterform lenient"}

    def test_regrading_does_not_touch_what_the_logs_say(self):
        assert compare_arms(example_logs(), detail=True).comparisons == compare_arms(example_logs()).comparisons


class TestWhatComesOut:
    def test_the_second_less_the_first_with_its_counts(self, two):
        [c] = compare_arms(two).comparisons
        assert (c.first, c.second, c.pairs, c.both, c.neither, c.first_only, c.second_only) == (
            "A",
            "B",
            60,
            30,
            20,
            0,
            10,
        )
        assert c.estimate == pytest.approx(1 / 6)
        assert c.verdict == "better"

    def test_json_has_these_fields_of_a_comparison(self, two):
        found = json.loads(as_json(compare_arms(two)))
        assert list(found["comparisons"][0]) == FIELDS
        assert [file["arm"] for file in found["files"]] == ["A", "B"]
        assert {"rows", "unscored", "status", "notes", "broken"} <= set(found["files"][0])

    def test_a_number_without_bounds_is_null_in_json(self, tmp_path):
        a, b = (scored(tmp_path / f"{n}.jsonl", [n + 0.5]) for n in (1, 2))
        [c] = json.loads(as_json(compare_arms([a, b])))["comparisons"]
        assert (c["low"], c["high"], c["verdict"]) == (None, None, "undecided")

    def test_another_base(self, two):
        for base in ("B", str(two[1])):
            found = compare_arms(two, base=base)
            assert found.arms[0].letter == "B"
            assert found.comparisons[0].estimate == pytest.approx(-1 / 6)
        with pytest.raises(StudyError, match=r"--base 'C' is no arm. Arms: A"):
            compare_arms(two, base="C")

    def test_several_arms_are_one_family(self, tmp_path):
        base = [n % 2 for n in range(100)]
        near = [1 if n < 12 else x for n, x in enumerate(base)]
        logs = [scored(tmp_path / "base.jsonl", base), scored(tmp_path / "near.jsonl", near)]
        assert compare_arms(logs).comparisons[0].verdict == "better"
        logs += [
            scored(tmp_path / f"{n}.jsonl", [1 - x if i == n else x for i, x in enumerate(base)]) for n in range(9)
        ]
        found = compare_arms(logs)
        assert len(found.comparisons) == 10
        assert found.comparisons[0].verdict == "undecided"

    def test_seeds_of_an_arm_are_the_logs_of_a_folder(self, tmp_path):
        (tmp_path / "tuned").mkdir()
        base = scored(tmp_path / "base.jsonl", [n % 2 for n in range(40)], model="base")
        for seed in range(3):
            scored(tmp_path / "tuned" / f"{seed}.jsonl", [int(n % 5 > seed) for n in range(40)], model=f"seed {seed}")
        found = compare_arms([base, tmp_path / "tuned"])
        assert (found.comparisons[0].runs, found.comparisons[0].clusters) == (3, 40)
        assert any("taken for runs (seeds)" in note for note in found.notes)

    def test_one_log_of_two_models_is_a_comparison(self, tmp_path):
        rows = [
            {"id": n, "model": m, "score": int(m == "large" or n % 2)} for n in range(30) for m in ("small", "large")
        ]
        [c] = compare_arms([log(tmp_path / "rows.jsonl", rows)]).comparisons
        assert (c.pairs, c.second_only) == (30, 15)

    def test_tasks_of_one_file_are_compared_apart(self, tmp_path):
        paths = [
            log(tmp_path / f"{name}.jsonl", [{"id": n, "task": t, "score": int(t == "easy" or name == "b")} for n in range(20) for t in ("easy", "hard")])
            for name in "ab"
        ]  # fmt: skip
        found = {c.task: c for c in compare_arms(paths).comparisons}
        assert found["easy"].verdict == "undecided"
        assert found["hard"].verdict == "better"

    def test_levels_of_a_column(self, tmp_path):
        paths = [
            log(
                tmp_path / f"{name}.jsonl",
                [{"id": n, "hard": n % 2, "score": int(not n % 2 or name == "b")} for n in range(80)],
            )
            for name in "ab"
        ]
        found = {level.level: level.comparison for level in compare_arms(paths, by="hard").levels}
        assert (found["0"].pairs, found["0"].verdict) == (40, "undecided")
        assert (found["1"].pairs, found["1"].verdict) == (40, "better")

    def test_ours_beside_theirs_with_every_disagreement(self, tmp_path):
        def rows(said):
            return [
                {"id": n, "prompt": f"q{n}", "response": f"The answer is {said(n)}.", "answer": str(n), "correct": 1}
                for n in range(1, 21)
            ]

        paths = [log(tmp_path / "a.jsonl", rows(lambda n: n)), log(tmp_path / "b.jsonl", rows(lambda n: n + n % 2))]
        found = compare_arms(paths, detail=True)
        assert found.differing == {"disagreement": 10}
        shown = [item for item in found.shown if item.kind == "disagreement"]
        assert {item.note for item in shown} == {"right by its scorer, wrong by counterform"}
        assert [(said.arm, said.text) for said in shown[0].responses] == [("B", "The answer is 2.")]
        assert dict(shown[0].responses[0].marks)["counterform strict"] == 0.0
        assert next(c for c in found.regraded if c.metric == "counterform strict").first_only == 10

    def test_logs_without_a_common_scorer_are_graded_by_ours(self, tmp_path):
        rows = [{"id": n, "response": f"The answer is {n}.", "answer": str(n)} for n in range(9)]
        found = compare_arms([log(tmp_path / f"{n}.jsonl", [{**row, f"score{n}": 1} for row in rows]) for n in (1, 2)])
        assert {c.metric for c in found.comparisons} == {"counterform strict", "counterform lenient"}
        assert any("own verifier" in note for note in found.notes)

    def test_one_log_given_twice_is_graded_twice(self, tmp_path):
        rows = [{"id": n, "response": f"The answer is {n}.", "answer": str(n)} for n in range(9)]
        path = log(tmp_path / "a.jsonl", rows)
        assert {c.both for c in compare_arms([path, path]).comparisons} == {9}

    def test_flips_come_with_both_responses(self, two):
        texts = [
            log(path, [{**json.loads(line), "response": f"{path.stem} says"} for line in path.read_text().splitlines()])
            for path in two
        ]
        shown = compare_arms(texts[::-1], detail=True).shown
        assert [item.kind for item in shown] == ["flip"] * 10
        assert [(said.arm, said.text) for said in shown[0].responses] == [("A", "b says"), ("B", "a says")]
        assert shown[0].metrics == ("score",)
        assert shown[0].prompt == "q30"

    def test_texts_by_length_and_markers(self, tmp_path):
        paths = [
            log(tmp_path / f"{name}.jsonl", [{"id": n, "score": 1, "response": text} for n in range(20)])
            for name, text in (("a", "It is 5."), ("b", "Perhaps it is 5."))
        ]
        found = {c.metric: c for c in compare_arms(paths, detail=True).traits}
        assert found["length, characters"].estimate == 8
        hedges = next(c for name, c in found.items() if name.startswith("hedge"))
        assert (hedges.estimate, hedges.share, hedges.first_only) == (1, False, None)


class TestSaid:
    def notes(self, *paths, **more):
        return " | ".join(compare_arms(paths, **more).notes)

    def test_the_same_log_twice(self, two, tmp_path):
        assert "A and B are the same log" in self.notes(two[0], two[0])
        (tmp_path / "copy.jsonl").write_bytes(two[0].read_bytes())
        assert "A and B are the same log" in self.notes(two[0], tmp_path / "copy.jsonl")
        assert "same log" not in self.notes(*two)

    def test_prompts_that_were_rendered_differently(self, tmp_path):
        folder = tmp_path / "other"
        folder.mkdir()
        [samples] = example_logs()[1].glob("samples_*.jsonl")
        rows = [json.loads(line) for line in samples.read_text().splitlines()]
        log(folder / samples.name, [{**row, "prompt_hash": "x"} if row["doc_id"] < 5 else row for row in rows])
        assert "rendered differently in A and B for 5 of 60 items" in self.notes(example_logs()[0], folder)

    def test_other_questions_under_one_id(self, tmp_path, two):
        rows = [{"id": n, "prompt": f"q{n}" if n else "other", "score": 1} for n in range(60)]
        other = log(tmp_path / "c.jsonl", rows)
        assert (
            "1 ids are other questions in A and B, and are not paired, e.g. '0' is 'q0' in one and 'other'"
            in self.notes(two[0], other)
        )
        assert compare_arms([two[0], other]).comparisons[0].pairs == 59

    def test_ids_that_come_with_several_questions(self, tmp_path, two):
        twice = log(
            tmp_path / "c.jsonl",
            [*map(json.loads, two[0].read_text().splitlines()), {"id": 0, "prompt": "other", "score": 1}],
        )
        assert "1 ids stand for several questions within a log" in self.notes(two[0], twice)

    def test_what_is_unscored_and_why(self, tmp_path, two):
        other = scored(tmp_path / "c.jsonl", [None] * 3 + ["?"] + [1] * 56)
        assert "B has no score for 4 answers of pairs: no score 3, not a number: ? 1" in self.notes(two[0], other)
        assert compare_arms([two[0], other]).comparisons[0].unscored == 4


class TestNothingToCompare:
    @pytest.mark.parametrize(
        ("rows", "said"),
        [
            ([{"id": 99, "score": 1}], "no item is in both logs.*A .*60 answers to 60 items.*B .*1 answers to 1 items"),
            (
                [{"id": 1, "prompt": "other", "score": 1}],
                "1 ids are in both logs, but stand for other questions: '1' is 'q1'",
            ),
            (
                [{"id": n, "prompt": f"q{n}", "score": None} for n in range(9)],
                "no pair of answers is scored.*no score 9",
            ),
            ([{"id": n, "prompt": f"q{n}", "accuracy": 1} for n in range(9)], "no scorer is common.*score.*accuracy"),
        ],
    )
    def test_one_message_with_what_was_found(self, tmp_path, two, rows, said):
        with pytest.raises(DataError, match=said):
            compare_arms([two[0], log(tmp_path / "c.jsonl", rows)])

    def test_two_logs_of_several_other_tasks(self, tmp_path):
        paths = [log(tmp_path / f"{n}.jsonl", [{"id": 1, "task": f"{t}{n}", "score": 1} for t in "xy"]) for n in (1, 2)]
        with pytest.raises(DataError, match="no task is in both logs"):
            compare_arms(paths)

    def test_one_arm(self, two):
        with pytest.raises(DataError, match="one arm is no comparison"):
            compare_arms(two[:1])


class TestCommandLine:
    @pytest.mark.parametrize(
        ("text", "code", "said"),
        [
            ("B > A", 0, "shown"),
            ("A > B", 1, "shown to be otherwise"),
            ("B > A + 16pt", 3, "undecided"),
            ("A >= B - 50pt", 0, "shown"),
            ("score: B > A", 0, "shown"),
        ],
    )
    def test_the_exit_code_of_a_requirement(self, two, text, code, said):
        done = runner.invoke(app, ["compare", *map(str, two), "--require", text])
        assert done.exit_code == code
        assert done.stderr.strip().endswith(said)

    @pytest.mark.parametrize(
        "more", [["--require", "B >"], ["--by", "colour"], ["--columns", "x"], ["--reader", "inspct"]]
    )
    def test_bad_input_ends_with_2_and_one_message(self, two, more):
        done = subprocess.run(
            [sys.executable, "-m", "counterform.cli", "compare", *map(str, two), *more], capture_output=True, text=True
        )
        assert done.returncode == 2
        assert done.stderr.startswith("counterform: ")
        assert "Traceback" not in done.stderr

    def test_torch_is_never_loaded(self):
        code = "import sys; from counterform.compare import *; compare_arms(example_logs(), detail=True); print('torch' in sys.modules)"
        done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
        assert done.stdout.strip() == "False"

    def test_a_reader_of_ones_own(self, two):
        done = runner.invoke(app, ["compare", *map(str, two), "--reader", "counterform.logs.plain:Plain", "--json"])
        assert json.loads(done.stdout)["comparisons"][0]["pairs"] == 60

    def test_a_folder_of_somebody_elses_is_left_as_it_is(self, tmp_path, two):
        (tmp_path / "mine.txt").write_text("mine")
        with pytest.raises(DataError, match="holds other things"):
            write_page(compare_arms(two), tmp_path)
        assert write_page(compare_arms(two), tmp_path / "new") == write_page(compare_arms(two), tmp_path / "new")


HOSTILE = "\x1b[31mred\x00\u202e |`<script>alert(1)</script>` ````\n# heading\n| cell |"


class TestUntrustedText:
    @pytest.fixture
    def found(self, tmp_path):
        rows = [
            {
                "id": f"{HOSTILE}{n}",
                "prompt": HOSTILE,
                "response": HOSTILE,
                "answer": HOSTILE,
                "model": HOSTILE,
                "task": HOSTILE,
            }
            for n in range(4)
        ]
        paths = [
            log(tmp_path / f"{n}.jsonl", [{**row, f"score {HOSTILE}": n, "score": n} for row in rows]) for n in (1, 0)
        ]
        return compare_arms(paths, detail=True)

    def test_nothing_moves_the_cursor_and_no_row_breaks_the_table(self, found):
        shown = re.sub(r"<script.*?</script>", "", page(found), flags=re.DOTALL)
        for text in (*lines(found), summary(found), shown):
            assert not {"\x1b", "\x00", "\u202e"} & set(text)
        rows = [line for line in summary(found).splitlines() if line.startswith("|")]
        assert len({line.replace("\\|", "").count("|") for line in rows}) == 1

    def test_no_text_is_markup_on_the_page(self, found):
        text = page(found)
        assert "<script>alert" not in text
        assert "&lt;script&gt;alert(1)&lt;/script&gt;" in text


def test_the_answer_has_at_most_12_lines_whatever_there_is_to_say(tmp_path):
    rng = np.random.default_rng(0)
    paths = []
    for name in range(6):
        rows = [
            {"id": n % 30, "prompt": f"q{n % 30}" if n or not name else "other", "task": f"t{n % 3}", "model": f"m{name}", **{f"s{k}": float(rng.random() < 0.5) for k in range(5)}}
            for n in range(180)
        ]  # fmt: skip
        paths.append(log(tmp_path / f"{name}.jsonl", rows))
    found = compare_arms(paths, columns={"score": [f"s{k}" for k in range(5)]})
    assert len(found.comparisons) == 75
    assert len(lines(found)) <= LINES
    assert "comparisons more" in "".join(lines(found))


def test_the_form_line_is_of_a_clear_difference_and_says_whose(tmp_path):
    base, tuned = example_logs()
    found = compare_arms([base, base, tuned])
    [line] = [line for line in lines(found) if "are format" in line]
    assert line.startswith("C − A: Of +73.3")


def test_paths_may_be_text():
    assert compare_arms([str(path) for path in example_logs()]).comparisons
    assert all(isinstance(path, Path) for path in example_logs())
