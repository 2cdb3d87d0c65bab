"""How large a first study should be: what more of anything would buy, by simulated studies (findings/power.py)."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from msgspec import Struct

from counterform.findings.power import ALIKE_UNSEEN, LOW_LUCK, Pilot, predicted
from counterform.findings.stats import SHARE

SEEDS = (0, 1, 2)
SAMPLES = 4
HELD_OUT = (25, 50, 100, 200, 400)
MOST_TRAIN, MOST_CASES = 1_200, 400
WORTH = 0.01
"""What twice as many held-out problems must lessen the minimum detectable effect by, to be worth their reading."""
LEVEL = 0.5
"""Of a base that nobody has read: where a share varies most."""
LEAST_TOKENS, MOST_TOKENS = 64, 1_024
"""Of one answer."""
UNSEEN_TOKENS = 256
"""The least where no answer of a model was seen: models write more than solutions do."""
WORD = 2.5
"""Tokens that a word of prose and figures takes, at most."""


class Sizes(Struct, frozen=True, kw_only=True):
    """Numbers of problems."""

    train: int
    held_out: int


def sizes_of(problems: int, arms: int) -> Sizes:
    """As many held-out problems as are worth their reading, half of all at most; the others are for training."""
    room = max(problems // 2, 1)
    steps = [size for size in HELD_OUT if size < room] or [room]
    held_out = steps[0]
    for more in [*steps[1:], room]:
        if more > HELD_OUT[-1] or _gained(held_out, more, arms) < WORTH:
            break
        held_out = more
    return Sizes(train=min(problems - held_out, MOST_TRAIN), held_out=held_out)


def _gained(few: int, more: int, arms: int) -> float:
    return effect_of(few, len(SEEDS), arms, SAMPLES) - effect_of(more, len(SEEDS), arms, SAMPLES)


def effect_of(problems: int, seeds: int, arms: int, samples: int) -> float:
    """The minimum detectable effect in pass@1 between two arms of a study of this size, as a share: for a base at 50 %, and as little
    seed variance as 100 trainings of the embedded study had. Endless where nothing could be found.
    """
    whole = LEVEL * (1 - LEVEL)
    pilot = Pilot(
        level=LEVEL,
        problems=ALIKE_UNSEEN * whole,
        sampling=(1 - ALIKE_UNSEEN) * whole,
        bounds=SHARE,
        marks=True,
        clusters=problems,
        assumed=True,
    ).with_samples(samples)
    return predicted(pilot, problems=problems, seeds=seeds, luck=LOW_LUCK, others=max(arms - 2, 0))


def tokens_for(attempts: Sequence[str], solutions: Sequence[str]) -> int:
    """max_tokens under which all but a few answers like these end of themselves."""
    least = LEAST_TOKENS if attempts else UNSEEN_TOKENS
    words = [len(text.split()) for text in [*attempts, *solutions]]
    most = float(np.quantile(words, 0.98)) if words else 0.0
    return int(np.clip(np.ceil(most * WORD / 32) * 32, least, MOST_TOKENS))
