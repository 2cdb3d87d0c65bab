from typing import get_args

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from rapidfuzz.distance import Levenshtein

from counterform.errors import DataError
from counterform.problems.noise import SHARES, Kind, edited, edits, noise
from counterform.types import Problem

POOL = ("Add", "7.", "it.", "Double")
KINDS = st.sampled_from(get_args(Kind))
TEXTS = st.lists(st.text(st.characters(codec="ascii", categories=["L", "N"]), min_size=1, max_size=4), min_size=1)
SEEDS = st.integers(0, 2**32 - 1)


@given(TEXTS, KINDS, st.sampled_from(SHARES), SEEDS)
def test_so_many_words_are_edited_and_no_others(words, kind, share, seed):
    text, count = edited(" ".join(words), kind, share, pool=POOL, rng=np.random.default_rng(seed))
    after = text.split()
    assert count == edits(len(words), kind, share)
    assert len(after) == len(words) + {"insert": count, "delete": -count, "modify": 0}[kind]
    if kind == "modify":
        assert sum(a != b for a, b in zip(words, after, strict=True)) == count
        assert all(b in POOL for a, b in zip(words, after, strict=True) if a != b)
    else:
        assert Levenshtein.distance(words, after) == count


@given(st.integers(1, 1_000), KINDS, st.sampled_from(SHARES))
def test_the_number_of_edits_is_the_share_rounded(words, kind, share):
    count = edits(words, kind, share)
    if words > 1:
        assert count >= 1
        assert abs(count - share * words) <= 0.5 or count == 1
    assert kind != "delete" or count < words


@given(TEXTS, KINDS, SEEDS)
def test_an_equal_seed_brings_the_same_text(words, kind, seed):
    first, second = (edited(" ".join(words), kind, 0.3, pool=POOL, rng=np.random.default_rng(seed)) for _ in range(2))
    assert first == second


def test_white_space_is_kept():
    text, _ = edited("one two\n\nthree\tfour", "modify", 0.05, pool=POOL, rng=np.random.default_rng(0))
    assert [c for c in text if c.isspace()] == [" ", "\n", "\n", "\t"]


def test_every_problem_at_every_level_with_its_true_distance():
    train = [Problem(id="t", prompt="Add 5. Double it.", answer="1")]
    held_out = [Problem(id=f"p{n}", prompt=f"Start with {n}. Add 5. What is the total?", answer="2") for n in (1, 2)]
    made = noise(held_out, trained=train, rng=np.random.default_rng(0))
    assert len(made) == len({problem.id for problem in made}) == 2 * 3 * len(SHARES)
    assert {p.shift.distance for p in made if p.shift.label == "noise delete 20 %"} == {2 / 9}
    assert {p.shift.distance for p in made if p.shift.label == "noise insert 5 %"} == {1 / 9}
    inserted = {word for p in made if "insert" in p.shift.axis for word in p.prompt.split()}
    assert inserted <= {"Start", "with", "1.", "2.", "Add", "5.", "What", "is", "the", "total?", "Double", "it."}
    assert {p.answer for p in made} == {"2"}


def test_prompts_of_one_word_have_no_noise():
    train = [Problem(id="t", prompt="Go Go", answer="1")]
    with pytest.raises(DataError, match="two different words"):
        noise(train, trained=train, rng=np.random.default_rng(0))
