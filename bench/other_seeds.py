"""Coverage of a difference between arms that have different numbers of seeds, or no luck at all (docs/statistics.md).

`python bench/other_seeds.py STUDIES`: as in bench/calibration.py, but a study has two arms and a third that only tells of luck; 4 samples an item,
log-odds of items with a standard deviation of 1.5, luck in logits. Covered: of the true difference between 50 and 30 %; false: p <= 0.05, uncorrected, at
two equal arms. Random seed 1.
"""

import sys

import numpy as np

from counterform.findings.intervals import intervals

DESIGNS = {"3 - 2": (3, 2), "5 - 2": (5, 2), "3 - 1": (3, 1), "3 - fixed": (3, 0), "fixed - fixed, read twice": (0, -2)}
"""Seeds of both arms; 0: one fixed thing, -2: one that is read twice, as the base is."""
HARD = 1.5


def odds(level):
    return np.log(level / (1 - level))


def arm(rng, level, seeds, luck, hard, samples=4):
    """(studies, items, seeds) shares of right answers."""
    shift = rng.normal(0, luck, (len(hard), 1, seeds))
    return rng.binomial(samples, 1 / (1 + np.exp(-(odds(level) + hard[:, :, None] + shift)))) / samples


def truth(rng, level, luck):
    return float(np.mean(1 / (1 + np.exp(-(odds(level) + rng.normal(0, np.hypot(HARD, luck), 1_000_000))))))


def main(studies):
    rng = np.random.default_rng(1)
    for n in (30, 100, 400):
        for luck in (0.0, 0.1, 0.3):
            for name, seeds in DESIGNS.items():
                found = []
                for levels in ((0.5, 0.3), (0.5, 0.5)):
                    hard = rng.normal(0, HARD, (studies, n))
                    lucks = [luck if one > 0 else 0.0 for one in seeds]
                    arms = [
                        arm(rng, level, abs(one) or 1, own, hard)
                        for level, one, own in zip(levels, seeds, lucks, strict=True)
                    ]
                    a, b = (truth(rng, level, own) for level, own in zip(levels, lucks, strict=True))
                    third = arm(rng, 0.5, 2, luck, hard)
                    e = intervals(*arms, [third], lucky=[one > 0 for one in seeds])
                    found.append(((e.low <= a - b) & (a - b <= e.high), e.p <= 0.05))
                print(
                    f"{n} items, luck {luck}, {name}: covered {found[0][0].mean():.3f}, false {found[1][1].mean():.3f}"
                )


if __name__ == "__main__":
    main(int(sys.argv[1]))
