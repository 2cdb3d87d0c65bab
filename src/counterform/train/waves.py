"""RoC for fewer than 2G rollouts: sample a group in waves and stop once more rollouts could not make its kept ones cleaner.

The first G rollouts decide how many failures and how many successes are kept: as many as are among them. All that
comes after serves one end, cleaner successes, so a group stops as soon as it has as many clean successes as it keeps.
A group whose first G are all right or all wrong goes on until the other kind shows, of which it then keeps one. Nothing
goes beyond a limit, 2G as a rule.

    rows = generate(groups, G)
    while len(short := unfinished(..., keep=G, limit=2 * G)):
        rows += generate(short, wave)
    kept = select(..., keep=G, mode="waves")

What law the kept rollouts follow (p: chance of a success, c: chance that a success is clean; rewards of two values):

- Successes kept: Binomial(G, p), as in plain GRPO with G, for how many are kept is settled before anything is stopped. Only
  the ends differ: 0 becomes 1 where a success shows in the rest up to the limit (all but (1 - p)^G of the time), and G becomes
  G - 1 in the same way. With 2G it is G - floor(Binomial(2G, 1 - p) / 2): a quarter more on average, and half the
  variance. That variance is what is given up: a group that happens to keep many successes finds clean ones for fewer of
  them; at p = 0.3 and c = 0.8 some 1.5 points fewer of the kept ones are clean with G = 8, and 0.7 with G = 16.
- Failures kept: independent draws from the failures, as with 2G. When a group stops depends on no failure's content.
- Clean successes kept: as many as if all rollouts up to the limit had been sampled, and each a draw from the clean ones
  alone, as with 2G. A group stops only where no kept success could be replaced by a clean one. (With `enough` below 1 it
  stops at that share of them, and what is kept is less clean than with 2G.)
- One-sided groups: as likely as no success in 2G, or no failure. With 2G the paper's rule drops a lone failure too.
- Rollouts: about G / c on average, whatever p, and never more than the limit. No rule does with fewer that keeps a share p
  of successes and all of them clean (Wald's equation), so 1.4 G need c above 0.71, and at c = 0.5 nothing is saved.

With graded rewards a success is one above its group's mean, and the mean moves as rollouts come: the first line holds
approximately.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from counterform.errors import StudyError
from counterform.train.roc import FAILURE, SUCCESS, UNKNOWN, sort_out


def unfinished(
    groups: ArrayLike,
    rewards: ArrayLike,
    penalties: ArrayLike,
    keep: int,
    *,
    limit: int,
    clean: float = 0.0,
    enough: float = 1.0,
) -> NDArray[Any]:
    """The ids of the groups that another wave could help, sorted.

    Arguments as in `roc.select`, each group's rollouts in the order in which they were generated, at least `keep` of
    them. A success is clean if its penalty is at most `clean`; a group is done when a share of `enough` of the successes
    that it keeps is clean. UNKNOWN rollouts count as never generated, except towards the limit.

    Raises as `roc.select` does, and StudyError for a keep below 2 or above the limit and shares outside [0, 1].
    """
    if not 2 <= keep <= limit:
        raise StudyError(
            f"keep = {keep}, limit = {limit}: waves need 2 <= keep <= limit, for a group of one has no advantage."
        )
    for name, share in (("clean", clean), ("enough", enough)):
        if not 0 <= share <= 1:
            raise StudyError(f"{name} = {share} is not in [0, 1].")
    read = sort_out(groups, rewards, penalties, keep, "waves")
    are_clean = (read.kind == SUCCESS) & (read.penalty <= clean)
    n_clean = np.bincount(read.cell[are_clean] // 3, minlength=len(read.ids))
    one_sided = (read.quotas[:, FAILURE] == 0) | (read.quotas[:, SUCCESS] == 0)
    short = (read.quotas[:, UNKNOWN] > 0) | one_sided | (n_clean < enough * read.quotas[:, SUCCESS])
    ids: NDArray[Any] = read.ids[short & (read.counts.sum(axis=1) < limit)]
    return ids
