from collections import defaultdict

import pytest
import torch

from counterform.train.in_waves import Wave, in_row_order, one_entry_a_batch, sample_in_waves

CLEAN, UNCLEAN, FAILED, UNKNOWN = [1.0, 0.0], [1.0, 0.5], [0.0, 0.0], [torch.nan, 0.0]


def sampled(*streams, keep=2, wave=1):
    """Groups whose rollouts come from these streams of (reward, penalty)."""
    limit, asked = len(streams[0]), []

    def sample(rows):
        asked.append(rows)
        found = torch.tensor([streams[row // limit][row % limit] for row in rows])
        return Wave([[row] for row in rows], [[row, 9] for row in rows], [[1, 1]] * len(rows), rows, found)

    def scores(found):
        return found[:, 0], found[:, 1]

    size = limit * len(streams)
    return asked, sample_in_waves(
        size, limit=limit, keep=keep, wave=wave, sample=sample, scores=scores, empty=(7, "none")
    )


def test_each_group_goes_on_until_it_is_done_or_at_its_limit():
    done = [CLEAN, FAILED, CLEAN, CLEAN]
    second = [UNCLEAN, FAILED, CLEAN, CLEAN]
    never = [UNCLEAN, FAILED, UNCLEAN, UNCLEAN]
    asked, found = sampled(done, second, never)
    assert asked == [[0, 1, 4, 5, 8, 9], [6, 10], [11]]
    assert (found.order, found.waves) == ([0, 1, 4, 5, 8, 9, 6, 10, 11], 3)
    prompts, ids, masks, completions, logprobs, extra, images, tool_images = found.generated
    assert (prompts[6], ids[6], masks[6], completions[6]) == ([6], [6, 9], [1, 1], 6)
    assert (prompts[3], ids[3], masks[3], completions[3]) == ([7], [7], [0], "none")
    assert (logprobs, extra, images, tool_images) == (None, {}, None, [])
    assert found.found[[2, 3, 7]].isnan().all()
    assert found.found[11].tolist() == UNCLEAN


def test_a_wave_never_passes_the_limit_and_unknown_ones_are_replaced():
    asked, found = sampled([UNKNOWN, FAILED, UNCLEAN, UNCLEAN, CLEAN], wave=2)
    assert asked == [[0, 1], [2, 3], [4]]
    assert len(found.order) == 5


def test_what_was_logged_for_every_wave_is_of_the_batch():
    metrics = {"mean": [5.0, 2.0, 8.0], "completions/min_length": [5.0, 3.0, 1.0], "num_tokens": [9.0]}
    metrics |= {"completions/max_length": [1.0, 4.0, 2.0], "new": [2.0, 8.0]}
    one_entry_a_batch(metrics, {"mean": 1, "completions/min_length": 1, "completions/max_length": 1}, [2, 1])
    assert metrics == {
        "mean": [5.0, pytest.approx(4.0)],
        "completions/min_length": [5.0, 1.0],
        "completions/max_length": [1.0, 4.0],
        "num_tokens": [9.0],
        "new": [pytest.approx(4.0)],
    }


def test_extra_columns_stand_in_the_rows_order():
    pending = defaultdict(list, said=["a", "c", "b"], other=["short"])
    in_row_order(pending, 4, [0, 2, 1])
    assert pending == {"said": ["a", "b", "c", None], "other": ["short"]}
