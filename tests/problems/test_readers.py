import json
import string

import pyarrow as pa
import pyarrow.parquet as pq
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.problems.readers import final_answer, read_attempts, read_problems
from counterform.study import ResponseColumns
from counterform.types import Mark, Problem

GSM8K = {"question": "Two and two?", "answer": "2 + 2 = <<2+2=4>>4\n#### 4"}
RESPONSE = (ResponseColumns(text="response", correct="correct"),)


@pytest.fixture
def jsonl(tmp_path):
    def write(*rows, name="rows.jsonl"):
        path = tmp_path / name
        path.write_text("".join(f"{row if isinstance(row, str) else json.dumps(row)}\n" for row in rows))
        return path

    return write


def problem(name, prompt):
    return Problem(id=name, prompt=prompt, answer="1")


# Problems: shapes that are recognised.


def test_trl_text_prompt(jsonl):
    (read,) = read_problems(jsonl({"prompt": "2 + 2 =", "answer": "4"})).problems
    assert (read.prompt, read.answer, read.solution, read.family, read.split) == ("2 + 2 =", "4", None, "user", "train")


def test_trl_messages_are_joined_system_first(jsonl):
    turns = [
        {"role": "user", "content": "2 + 2 ="},
        {"role": "system", "content": "Be brief."},
        {"role": "user", "content": "Answer."},
    ]
    (read,) = read_problems(jsonl({"prompt": turns, "answer": "4"})).problems
    assert read.prompt == "Be brief.\n\n2 + 2 =\n\nAnswer."


def test_gsm8k_key_is_the_number_and_the_text_is_the_solution(jsonl):
    (read,) = read_problems(jsonl(GSM8K)).problems
    assert (read.answer, read.solution) == ("4", GSM8K["answer"])


def test_verl_parquet_with_nested_columns(tmp_path):
    rows = [
        {
            "data_source": "openai/gsm8k",
            "prompt": [{"role": "user", "content": "Two and two?"}],
            "reward_model": {"style": "rule", "ground_truth": "4"},
        }
    ]
    pq.write_table(pa.Table.from_pylist(rows), tmp_path / "verl.parquet")
    (read,) = read_problems(tmp_path / "verl.parquet").problems
    assert (read.prompt, read.answer) == ("Two and two?", "4")


def test_math_keeps_its_worked_solution(jsonl):
    row = {"problem": "Half of $2$?", "solution": r"It is $\boxed{1}$.", "answer": "1", "subject": "Algebra"}
    (read,) = read_problems(jsonl(row)).problems
    assert (read.answer, read.solution) == ("1", row["solution"])


def test_a_missing_worked_solution_is_no_fault(jsonl):
    rows = [{"problem": name, "answer": "1", "solution": worked} for name, worked in [("a", ""), ("b", None)]]
    read = read_problems(jsonl(*rows))
    assert [p.solution for p in read.problems] == [None, None]
    assert not read.broken


def test_given_names_win_and_dots_reach_nested_or_flat_columns(jsonl):
    row = {"prompt": "not this", "answer": "nor this", "q": {"text": "2 + 2 ="}, "key.value": "A: 4"}
    (read,) = read_problems(jsonl(row), prompt="q.text", answer="key.value").problems
    assert (read.prompt, read.answer, read.solution) == ("2 + 2 =", "4", None)


def test_one_given_name_is_completed_by_a_recognised_one(jsonl):
    (read,) = read_problems(jsonl({"query": "2 + 2 =", "answer": "4"}), prompt="query").problems
    assert (read.prompt, read.answer) == ("2 + 2 =", "4")


def test_a_solution_column_may_hold_the_key(jsonl):
    (read,) = read_problems(jsonl({"prompt": "2 + 2 =", "solution": "$4$"}), answer="solution").problems
    assert (read.answer, read.solution) == ("$4$", None)


def test_the_columns_are_those_that_most_rows_have(jsonl):
    read = read_problems(jsonl({"prompt": "stray", "answer": "0"}, GSM8K, GSM8K | {"question": "Again?"}))
    assert len(read.problems) == 2
    assert read.broken == [(1, "no column `question`")]


def test_json_list_and_json_lines_named_json(jsonl):
    listed, lines = jsonl([GSM8K], name="list.json"), jsonl(GSM8K, name="lines.json")
    assert read_problems(listed) == read_problems(lines)


def test_windows_file(tmp_path):
    path = tmp_path / "windows.jsonl"
    path.write_bytes(b"\xef\xbb\xbf" + json.dumps(GSM8K).encode() + b"\r\n\r\n")
    assert len(read_problems(path).problems) == 1


def test_template_wraps_the_prompt_and_leaves_braces_alone(jsonl):
    row = {"prompt": r"$\frac{1}{2}$?", "answer": "0.5"}
    (read,) = read_problems(jsonl(row), template="Q: {prompt} {}").problems
    assert read.prompt == r"Q: $\frac{1}{2}$? {}"


@pytest.mark.parametrize(
    ("value", "key"),
    [(18, "18"), (18.0, "18"), (0.5, "0.5"), (-3, "-3"), (12345678901234567890, "12345678901234567890")],
)
def test_numbers_become_text(jsonl, value, key):
    assert read_problems(jsonl({"prompt": "?", "answer": value})).problems[0].answer == key


# Problems: identities.


@pytest.mark.parametrize(
    ("ids", "kept"), [(["a", "b"], True), ([1, 2], True), (["a", "a"], False), ([1, "1"], False), (["a", None], False)]
)
def test_ids_are_kept_when_all_differ(jsonl, ids, kept):
    read = read_problems(jsonl(*({"id": i, "prompt": f"p{n}", "answer": "1"} for n, i in enumerate(ids))))
    names = [p.id for p in read.problems]
    assert (names == [str(i) for i in ids]) is kept
    assert len(set(names)) == 2


def test_hashed_ids_depend_on_the_prompt_alone(jsonl):
    path = jsonl(GSM8K)
    changed = jsonl(GSM8K | {"answer": "5"}, name="changed.jsonl")
    plain, wrapped = read_problems(path).problems[0], read_problems(changed, template="{prompt}!").problems[0]
    assert plain.id == wrapped.id


def test_of_equal_prompts_the_first_is_kept(jsonl):
    read = read_problems(jsonl(GSM8K, GSM8K | {"answer": "5"}, GSM8K))
    assert [p.answer for p in read.problems] == ["4"]
    assert read.broken == [(2, "same prompt as line 1"), (3, "same prompt as line 1")]


# Problems: what is not usable.


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ('{"question": "x", "answer": NaN}', "`answer` is nan"),
        ('{"question": "x", ', "not JSON"),
        ('{"question": "\\ud800", "answer": "1"}', "not JSON"),
        ("[" * 100_000, "not JSON"),
        ("[1, 2]", "not an object"),
        ('{"question": "x", "answer": null}', "`answer` is None, not text"),
        ('{"question": "x", "answer": ""}', "`answer` is '', not text"),
        ('{"question": " ", "answer": "1"}', "`question` is empty"),
        ('{"question": "x", "answer": true}', "`answer` is True, not text"),
        ('{"question": "x", "answer": ["1", "2"]}', "`answer` is ['1', '2'], not text"),
        ('{"question": 5, "answer": "1"}', "`question` is 5, not text"),
        ('{"question": "x"}', "no column `answer`"),
        ('{"question": [{"role": "assistant", "content": "hi"}], "answer": "1"}', "a message that is not a text of"),
        ('{"question": [{"role": "user", "content": null}], "answer": "1"}', "a message that is not a text of"),
        ('{"question": ["x"], "answer": "1"}', "a message that is not a text of"),
        ('{"question": "x", "answer": "1", "solution": 3}', "`solution` is 3, not text"),
    ],
)
def test_a_broken_row_is_numbered_and_the_rest_kept(jsonl, bad, reason):
    read = read_problems(jsonl(GSM8K, "", bad, GSM8K | {"question": "Again?"}))
    assert len(read.problems) == 2
    ((line, why),) = read.broken
    assert line == 3
    assert reason in why


def test_parquet_numbers_its_rows(tmp_path):
    table = pa.table({"prompt": ["a", "b", "c"], "answer": pa.array([1.0, float("nan"), None])})
    pq.write_table(table, tmp_path / "rows.parquet")
    read = read_problems(tmp_path / "rows.parquet")
    assert [p.answer for p in read.problems] == ["1"]
    assert read.broken == [(2, "`answer` is nan"), (3, "`answer` is None, not text")]


def test_bytes_that_are_no_text(tmp_path):
    path = tmp_path / "rows.jsonl"
    path.write_bytes(b'{"prompt": "\xff", "answer": "1"}\n' + json.dumps({"prompt": "x", "answer": "1"}).encode())
    assert [row.line for row in read_problems(path).broken] == [1]


@pytest.mark.parametrize("text", ["", "\n\n"])
def test_empty_file(tmp_path, text):
    (tmp_path / "rows.jsonl").write_text(text)
    with pytest.raises(DataError, match="is empty"):
        read_problems(tmp_path / "rows.jsonl")


def test_nothing_usable_says_why(jsonl):
    with pytest.raises(DataError, match=r"2 broken rows, the first at line 1: `answer` is None"):
        read_problems(jsonl({"prompt": "a", "answer": None}, {"prompt": "b", "answer": ""}))
    with pytest.raises(DataError, match="the first at line 1: not JSON"):
        read_problems(jsonl("{"))


def test_unrecognised_columns_are_listed_with_the_fix(jsonl):
    with pytest.raises(DataError) as caught:
        read_problems(jsonl({"query": "x", "meta": {"gold": "1"}}))
    for part in ("'query'", "'meta.gold'", "question + answer", '[problems] prompt = "..."'):
        assert part in str(caught.value)


@pytest.mark.parametrize("names", [{"prompt": "no"}, {"answer": "no.where"}, {"solution": "no"}])
def test_a_given_column_that_is_not_there(jsonl, names):
    with pytest.raises(DataError, match="Found: 'question', 'answer'"):
        read_problems(jsonl(GSM8K), **names)


@pytest.mark.parametrize(
    ("name", "content", "message"),
    [
        ("absent.jsonl", None, "cannot read"),
        ("rows.txt", "a,b", r"\.jsonl, \.json, \.csv or \.parquet"),
        ("x.parquet", "no", "Parquet"),
    ],
)
def test_a_file_that_is_none(tmp_path, name, content, message):
    if content is not None:
        (tmp_path / name).write_text(content)
    with pytest.raises(DataError, match=message):
        read_problems(tmp_path / name)


# Answer keys.


@pytest.mark.parametrize(
    ("text", "key", "has_work"),
    [
        ("2 + 2 = 4\n#### 4", "4", True),
        ("2 + 2 = 4 #### 1,000", "1,000", True),
        ("2 + 2 = 4\nA: 4\n", "4", True),
        ("#### 4", "4", False),
        ("A: 4", "4", False),
        ("4", "4", False),
        (" p - q ", "p - q", False),
        ("A: 4\nand more", "A: 4\nand more", False),
        ("#### Step 1\nso 4", "#### Step 1\nso 4", False),
        ("A:", "A:", False),
        ("Adding, we get $9+11=\\boxed{20}$.", "20", True),
        ("\\boxed{20}", "20", False),
        ("We get $\\boxed{1}$ and $\\boxed{-2}$.", "1, -2", True),
        ("x = 1.\nThe answer is 1.", "1", True),
        ("The answer is yes to all of them.\nand so on", "The answer is yes to all of them.\nand so on", False),
    ],
)
def test_final_answer(text, key, has_work):
    found, solution = final_answer(text)
    assert found == key
    assert (solution is not None) is has_work


def test_a_key_that_is_a_whole_solution_is_unpacked_once(jsonl):
    """Rows of MATH as they are published: an arm of bare answers must not be given the solution."""
    path = jsonl({"problem": "What is $9+11$?", "solution": "Adding, we get $9+11=\\boxed{20}$."})
    for columns in ({"answer": "solution"}, {"answer": "solution", "solution": "solution"}):
        [found] = read_problems(path, **columns).problems
        assert found.answer == "20"
        assert found.solution == "Adding, we get $9+11=\\boxed{20}$."


@pytest.mark.parametrize(
    "row",
    [
        {"prompt": [{"role": "user", "content": "2+2?"}], "ground_truth": "4"},
        {"prompt": '[{"role": "user", "content": "2+2?"}]', "answer": "4"},
        {"prompt": "2+2?", "solution": "We get \\boxed{4}."},
        {"problem": "2+2?", "solution": "We get \\boxed{4}."},
        {"input": "2+2?", "label": "4"},
    ],
)
def test_the_columns_of_other_trainers(jsonl, row):
    [found] = read_problems(jsonl(row)).problems
    assert (found.prompt, found.answer) == ("2+2?", "4")


def test_a_list_of_responses_is_named_and_not_the_column_beside_it(jsonl):
    path = jsonl({"problem": "2+2?", "generations": ["4", "5"], "correct": [True, False]})
    columns = [ResponseColumns(text="generations", correct="correct")]
    with pytest.raises(DataError, match="`generations` is"):
        read_attempts(path, [problem("1", "2+2?")], responses=columns)


def test_a_column_that_nobody_reads_may_hold_what_json_has_not(jsonl, tmp_path):
    row = '{"question": "2+2?", "answer": "4", "score": NaN}'
    assert [found.answer for found in read_problems(jsonl(row)).problems] == ["4"]
    (tmp_path / "rows.json").write_text(f"[{row}]")
    assert [found.answer for found in read_problems(tmp_path / "rows.json").problems] == ["4"]


@given(st.text(string.ascii_letters + " \n#:A0123456789<>=", max_size=60).filter(str.strip))
def test_final_answer_always_finds_a_part_of_the_text(text):
    key, solution = final_answer(text)
    assert key
    assert key == key.strip()
    assert key in text
    assert solution is None or solution.endswith(key)


# Attempts.


def test_attempts_name_problems_by_prompt_or_id(jsonl):
    problems = [problem("one", "Q: First?"), problem("2", "Q: Second?")]
    path = jsonl(
        {"prompt": "First?", "response": "a b", "correct": True},
        {"problem_id": 2, "response": "c"},
        {"question": "Q: Second?", "response": "d", "correct": None},
        {"problem": [{"role": "user", "content": "First?"}], "response": "e", "correct": 0},
        {"problem": "stale", "problem_id": "one", "response": "f", "correct": "TRUE"},
    )
    read = read_attempts(path, problems, responses=RESPONSE, template="Q: {prompt}")
    assert [(a.id, a.recorded) for a in read.attempts] == [
        ("one/response/0", Mark.RIGHT),
        ("2/response/0", Mark.UNKNOWN),
        ("2/response/1", Mark.UNKNOWN),
        ("one/response/1", Mark.WRONG),
        ("one/response/2", Mark.RIGHT),
    ]
    first = read.attempts[0]
    assert (first.seed, first.completion.tokens, first.completion.finish, first.completion.text) == (
        0,
        2,
        "stop",
        "a b",
    )


def test_several_responses_in_a_row(jsonl):
    row = {"question": "First?", "small": {"solution": "x", "ok": False}, "large": {"solution": "y", "ok": True}}
    columns = [
        ResponseColumns(text=f"{name}.solution", correct=f"{name}.ok", model=name) for name in ("small", "large")
    ]
    read = read_attempts(jsonl(row, row), [problem("one", "First?")], responses=columns)
    assert [a.id for a in read.attempts] == ["one/small/0", "one/large/0", "one/small/1", "one/large/1"]
    assert [a.recorded for a in read.attempts[:2]] == [Mark.WRONG, Mark.RIGHT]


@pytest.mark.parametrize(
    ("given_mark", "mark"),
    [
        (True, "right"),
        (False, "wrong"),
        (1, "right"),
        (0.0, "wrong"),
        ("Wrong", "wrong"),
        ("right", "right"),
        (None, "unknown"),
    ],
)
def test_recorded_grades(jsonl, given_mark, mark):
    read = read_attempts(
        jsonl({"problem": "one", "response": "x", "correct": given_mark}), [problem("one", "?")], responses=RESPONSE
    )
    assert read.attempts[0].recorded == Mark(mark)


@pytest.mark.parametrize(
    ("bad", "reason"),
    [
        ({"problem": "one", "response": "x", "correct": 0.5}, "`correct` is 0.5, not true, false"),
        ({"problem": "one", "response": "x", "correct": "maybe"}, "`correct` is 'maybe'"),
        ({"problem": "one", "response": "x", "correct": [True]}, "`correct` is [True]"),
        ({"problem": "one", "response": None, "correct": True}, "`response` is None, not text"),
        ({"problem": "one", "response": ["x"], "correct": True}, "`response` is ['x'], not text"),
        ({"problem": "one", "correct": True}, "no column `response`"),
        ({"problem": "other", "response": "x"}, "no problem has this prompt or id: 'other'"),
        ({"response": "x"}, "names its problem"),
        ("{", "not JSON"),
    ],
)
def test_a_broken_attempt_is_numbered_and_the_rest_kept(jsonl, bad, reason):
    good = {"problem": "one", "response": "x", "correct": True}
    read = read_attempts(jsonl(good, bad, good), [problem("one", "?")], responses=RESPONSE)
    assert len(read.attempts) == 2
    ((line, why),) = read.left_out
    assert line == 2
    assert reason in why
    assert (read.elsewhere == []) is ("no problem has this" not in reason)


def test_of_an_attempt_at_another_problem_it_does_not_matter_what_it_says(jsonl):
    rows = [{"problem": "other", "response": "", "correct": 0.5}, {"problem": "one", "response": ""}]
    read = read_attempts(
        jsonl(*rows, {"problem": "one", "response": "x", "correct": True}), [problem("one", "?")], responses=RESPONSE
    )
    assert [row.line for row in read.elsewhere] == [1]
    assert read.broken == [(2, "`response` is empty")]


def test_one_broken_response_leaves_the_others_of_its_row(jsonl):
    columns = [ResponseColumns(text="a"), ResponseColumns(text="b")]
    rows = [{"problem": "one", "a": "x", "b": None}, {"problem": "one", "a": "x", "b": "y"}]
    read = read_attempts(jsonl(*rows), [problem("one", "?")], responses=columns)
    assert [a.id for a in read.attempts] == ["one/a/0", "one/a/1", "one/b/0"]
    assert read.broken == [(1, "`b` is None, not text")]


@pytest.mark.parametrize("columns", [{"text": "respnse"}, {"text": "response", "correct": "is_corect"}])
def test_a_column_that_no_row_has_is_refused(jsonl, columns):
    path = jsonl({"problem": "one", "response": "x", "correct": True})
    with pytest.raises(DataError, match=r"has no column .*Found: 'problem', 'response', 'correct'"):
        read_attempts(path, [problem("one", "?")], responses=[ResponseColumns(**columns)])


def test_attempts_at_none_of_the_problems(jsonl):
    with pytest.raises(DataError, match="no usable attempt: 1 broken rows, the first at line 1: no problem has this"):
        read_attempts(jsonl({"problem": "?", "response": "x"}), [problem("one", "1")], responses=RESPONSE)


def test_ids_differ_even_where_names_hold_slashes(jsonl):
    problems = [problem("a", "1"), problem("a/b", "2")]
    row = {"x": "text", "y": "text"}
    columns = [ResponseColumns(text="x", model="b/c"), ResponseColumns(text="y", model="c")]
    read = read_attempts(jsonl(row | {"problem": "a"}, row | {"problem": "a/b"}), problems, responses=columns)
    assert len({a.id for a in read.attempts}) == 4
