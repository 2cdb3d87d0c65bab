"""Pairs are proven by id or content; whatever cannot be proven is not paired, and counted."""

import pytest

from counterform.logs.pairing import pair
from counterform.logs.reader import Row, Score, content_id
from counterform.logs.table import MAX_SAMPLES, NOT_SCORED, Table


def row(item, value=1.0, *, prompt="", sample=None, scorer="s", by="id", rendered="", **more):
    return Row(
        item=item,
        identified=by,
        content=content_id(prompt) if prompt else "",
        prompt=prompt,
        rendered=rendered,
        sample=sample,
        scores=(Score(scorer, value),),
        **more,
    )


def table(*rows, reader="tool"):
    made = Table(reader)
    for one in rows:
        made.add(one)
    return made


def names(found, first):
    return [list(first.items)[item] for item in found.items]


class TestPair:
    def test_by_id_in_whatever_order(self):
        a, b = table(row("x"), row("y"), row("z")), table(row("z"), row("w"), row("x"))
        found = pair(a, b)
        assert names(found, a) == ["x", "z"]
        assert (found.by, found.only_in_first, found.only_in_second) == ("id", 1, 1)
        assert [int(i) for i in found.second] == [2, 0]

    def test_epochs_pair_by_their_number_and_are_one_cluster(self):
        a = table(*(row("x", sample=n) for n in (1, 2, 3)))
        b = table(*(row("x", sample=n) for n in (3, 1)))
        found = pair(a, b)
        assert len(found.first) == 2
        assert set(found.items) == {0}
        assert (found.only_in_first, found.only_in_second) == (1, 0)

    def test_samples_without_a_number_are_numbered_as_they_come(self):
        a, b = table(row("x"), row("x"), row("y")), table(row("x"), row("y"), row("y"))
        assert names(pair(a, b), a) == ["x", "y"]

    def test_one_id_with_another_question_is_no_pair(self):
        a = table(row("1", prompt="What is 2 + 3?"), row("2", prompt="same"), row("3"))
        b = table(row("1", prompt="Who wrote it?"), row("2", prompt="same"), row("3", prompt="q"))
        found = pair(a, b)
        assert names(found, a) == ["2", "3"]
        assert found.other_question == ("1",)
        assert (found.only_in_first, found.only_in_second) == (0, 0)

    @pytest.mark.parametrize("turned", [False, True])
    def test_an_id_that_stands_for_several_questions_within_a_log_is_no_pair(self, turned):
        a = table(row("1", prompt="one"), row("1", prompt="two"), row("2", prompt="x"))
        b = table(row("1", prompt="one"), row("2", prompt="x"))
        found = pair(b, a) if turned else pair(a, b)
        assert found.ambiguous == ("1",)
        assert len(found.first) == 1

    def test_a_prompt_that_was_rendered_differently_is_paired_and_counted(self):
        a = table(row("1", rendered="x"), row("2", rendered="y"), row("3"))
        b = table(row("1", rendered="x"), row("2", rendered="z"), row("3", rendered="z"))
        found = pair(a, b)
        assert (len(found.first), found.other_prompt) == (3, 1)

    def test_logs_of_two_tools_pair_by_the_question_whatever_its_white_space(self):
        a = table(row("17", prompt="What  is it?"), row("18", prompt="alone"), reader="one")
        b = table(row("a", prompt="Who?"), row("b", prompt="What is it?\n"), reader="other")
        found = pair(a, b)
        assert found.by == "question"
        assert names(found, a) == ["17"]

    @pytest.mark.parametrize("turned", [False, True])
    def test_a_question_that_stands_twice_in_one_log_proves_nothing(self, turned):
        a = table(row("1", prompt="q"), row("2", prompt="q"), row("3", prompt="p"), reader="one")
        b = table(row("x", prompt="q"), row("y", prompt="p"), reader="other")
        assert len(pair(*((b, a) if turned else (a, b))).first) == 1

    def test_ids_of_two_tools_prove_nothing(self):
        assert len(pair(table(row("1"), reader="one"), table(row("1"), reader="other")).first) == 0
        assert len(pair(table(row("1")), table(row("1", by="content"))).first) == 0

    def test_nothing_in_common_and_nothing_at_all(self):
        for a, b in ((table(row("x")), table(row("y"))), (table(), table(row("y"))), (table(), table())):
            assert len(pair(a, b).first) == 0


class TestTable:
    def test_the_rows_of_other_filters_belong_to_the_same_answer(self):
        made = table(
            row("x", 1.0, sample=0, scorer="a"),
            row("y", 0.0, sample=0, scorer="a"),
            row("x", 0.0, sample=0, scorer="b"),
        )
        assert len(made) == 2
        assert made.values("a").tolist() == [1.0, 0.0]
        assert made.unscored("b") == {NOT_SCORED: 1}

    def test_the_same_answer_twice_is_counted_and_the_first_kept(self):
        made = table(row("x", 1.0, sample=0), row("x", 0.0, sample=0))
        assert (len(made), made.repeated, made.values("s").tolist()) == (1, 1, [1.0])

    def test_an_unscored_answer_that_comes_again_is_the_same_answer(self):
        made = table(row("x", None, sample=0), row("x", 0.0, sample=0))
        assert made.repeated == 1

    def test_why_something_is_not_scored(self):
        made = Table("tool")
        made.add(Row(item="x", identified="id", scores=(Score("s", None, "time-out"),)))
        made.add(Row(item="y", identified="id", failure="crashed"))
        made.add(row("z"))
        assert made.unscored("s") == {"time-out": 1, "crashed": 1}

    def test_scorers_that_never_came(self):
        made = Table("tool")
        made.add(Row(item="x", identified="id", failure="crashed"))
        made.expect(["s", "t"])
        assert made.unscored("t") == {"crashed": 1}

    def test_a_sample_number_of_any_size_does_no_harm_to_other_items(self):
        made = table(row("x", sample=MAX_SAMPLES + 1), row("y", sample=1))
        assert made.items_of(made.keys).tolist() == [0, 1]


def test_between_tools_samples_pair_in_their_order():
    """One tool counts samples from 0, another epochs from 1."""
    a = table(*(row("x", prompt="q", sample=n) for n in (1, 2)), reader="inspect")
    b = table(*(row("y", prompt="q", sample=n, by="content") for n in (0, 1)), reader="lm-eval")
    found = pair(a, b)
    assert (found.by, len(found.first), found.only_in_first) == ("question", 2, 0)


@pytest.mark.parametrize(
    "rendered",
    [
        "<|im_start|>system\nBe brief.<|im_end|>\n<|im_start|>user\nWhat is 2?<|im_end|>\n<|im_start|>assistant\n",
        "<|begin_of_text|><|start_header_id|>user<|end_header_id|>\n\nWhat is 2?<|eot_id|><|start_header_id|>assistant<|end_header_id|>\n\n",
        "<bos><start_of_turn>user\nWhat is 2?<end_of_turn>\n<start_of_turn>model\n",
        "<s>[INST] Hello [/INST] Hi</s>[INST] What is 2? [/INST]",
        "<s><user> What is 2?<model>",
    ],
)
def test_a_rendered_chat_pairs_with_its_question(rendered):
    a, b = table(row("x", prompt=rendered), reader="verl"), table(row("y", prompt="What is 2?"), reader="opencompass")
    assert len(pair(a, b).first) == 1
