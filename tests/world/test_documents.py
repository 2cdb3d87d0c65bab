"""What the tiny base reads: honest noise of every family, nothing of what is held out, and no word its tokenizer lacks."""

from collections import Counter
from itertools import islice

import numpy as np
import pytest

from counterform.models.loading import load_tokenizer
from counterform.problems.sorting_out_tasks import HELD_OUT, TASKS
from counterform.study import BASE
from counterform.text import wording
from counterform.types import Mark
from counterform.world.documents import PARTS, SHARE_CRITIQUE, exchanges, first_error


@pytest.fixture(scope="module")
def documents():
    return list(islice(exchanges(seed=5), 1200))


def family_of(user):
    heads = {"Start with": "ledger", "Roads:": "route", "You work at the returns desk": "desk"}
    return next((name for head, name in heads.items() if user.startswith(head)), "sorting-out")


def test_the_same_seed_reads_the_same(documents):
    assert list(islice(exchanges(seed=5), 20)) == documents[:20]
    assert list(islice(exchanges(seed=6), 20)) != documents[:20]


def test_every_family_and_mode_has_its_share(documents):
    families = Counter(family_of(user) for user, _ in documents)
    for part in PARTS:
        assert families[part.family.name] / len(documents) == pytest.approx(part.share, abs=0.05)
    critiques = sum(wording.CRITIQUE_CUE in user for user, _ in documents)
    assert critiques / len(documents) == pytest.approx(SHARE_CRITIQUE, abs=0.05)
    assert any("A:" in user for user, _ in documents if user.startswith("Roads:"))


def test_the_shipped_tokenizer_gives_every_text_back(documents):
    tokenizer = load_tokenizer(str(BASE))
    for text in (text for exchange in documents for text in exchange):
        ids = tokenizer(text, add_special_tokens=False)["input_ids"]
        assert tokenizer.unk_token_id not in ids
        assert tokenizer.decode(ids) == text


def test_no_held_out_task_is_read(documents):
    asks = [TASKS[name].asks for name in HELD_OUT]
    assert not any(ask in user for ask in asks for user, _ in documents)


def test_critiques_answer_in_the_words_that_are_read_back(documents):
    critiques = [answer for user, answer in documents if wording.CRITIQUE_CUE in user]
    assert all(wording.named_error(critique) is not None for critique in critiques)


@pytest.mark.parametrize("part", PARTS, ids=lambda part: part.family.name)
@pytest.mark.parametrize("unnoticed", [0.0, 1.0])
def test_noise_is_what_it_is_said_to_be(part, unnoticed):
    rng = np.random.default_rng(1)
    problems = part.family.generate(60, rng=rng, lengths=part.lengths)
    errors = 0
    for problem in problems:
        watch = part.family.start(problem)
        steps = part.attempt(problem, rng, unnoticed=unnoticed, mended=1 - unnoticed)
        verdicts = [watch.feed(step) for step in steps]
        errors += first_error(verdicts) is not None
        assert unnoticed or any(verdict.mark is Mark.WRONG for verdict in verdicts)
    assert errors == (len(problems) if unnoticed else 0)
