import re

import numpy as np
import pytest
from msgspec.structs import replace

from counterform.findings import inside as findings
from counterform.findings.inside import CONTROL, KL, LAYER, TOKENS
from counterform.metrics import Metric
from counterform.types import Mark, Reading

METRICS = {
    "internals": (
        *(Metric(name=name, title=name, bounds=(0.0, None)) for name in (KL, TOKENS)),
        *(Metric(name=name, title=name) for name in (LAYER, CONTROL)),
    )
}


def find_inside(rows):
    return findings.find_inside(rows, METRICS)


def inside(arm, *, form, other, seeds=(0, 1), auroc=0.8, control=0.5, problems=60):
    """Readings of the internals probe: KL before the tokens of two classes, a layer's AUROC, and its control."""
    rows = []
    for seed in seeds:
        rng = np.random.default_rng([seed, *arm.encode()])
        tokens = rng.integers(5, 15, problems).astype(float)
        metrics = {(KL, name): np.zeros(problems) for name in ("step result", "answer", "hedge")}
        metrics |= {(TOKENS, "hedge"): np.zeros(problems)}
        metrics |= {(TOKENS, name): tokens for name in ("form", "step result", "answer", "other")}
        metrics |= {(KL, "form"): form * tokens * rng.uniform(0.5, 1.5, problems)}
        metrics |= {(KL, "other"): other * tokens * rng.uniform(0.5, 1.5, problems)}
        metrics |= {(LAYER, "1"): auroc + rng.normal(0, 0.3, problems)}
        metrics |= {(CONTROL, "1"): control + rng.normal(0, 0.05, problems)}
        rows += [
            Reading(
                probe="internals",
                metric=metric,
                condition=condition,
                arm=arm,
                seed=seed,
                item_id=f"problem-{at}",
                problem_id=f"problem-{at}",
                mark=Mark.RIGHT,
                value=float(value),
            )
            for (metric, condition), row in metrics.items()
            for at, value in enumerate(row)
        ]
    return rows


class TestInside:
    ROWS = (
        *inside("base", form=0.0, other=0.0),
        *inside("small", form=0.003, other=0.001),
        *inside("large", form=0.2, other=0.6),
    )

    def test_shares_and_nats_of_every_arm_but_the_base(self):
        found, _ = find_inside(self.ROWS)
        shares = {(level.arm, level.condition): level for level in found.shares}
        nats = {(level.arm, level.condition): level for level in found.per_token}
        assert {arm for arm, _ in shares} == {"small", "large"}
        assert shares["small", "form"].estimate == pytest.approx(0.75, abs=0.03)
        assert shares["large", "form"].estimate == pytest.approx(0.25, abs=0.03)
        assert sum(level.estimate for level in found.shares if level.arm == "large") == pytest.approx(1)
        assert nats["large", "other"].estimate == pytest.approx(0.6, rel=0.1)
        assert nats["small", "form"].estimate == pytest.approx(0.003, rel=0.1)
        assert all(level.low <= level.estimate <= level.high for level in (*found.shares, *found.per_token))
        assert {(level.n_items, level.n_seeds) for level in (*found.shares, *found.per_token)} == {(60, 2)}

    def test_an_arm_that_says_nothing_takes_no_other_with_it(self):
        wild = [*inside("wild", form=1.0, other=0.0, seeds=(0,)), *inside("wild", form=0.0, other=1.0, seeds=(1,))]
        shares = {(level.arm, level.condition) for level in find_inside([*wild, *self.ROWS])[0].shares}
        assert ("wild", "form") not in shares
        assert shares >= {("small", "form"), ("large", "form")}

    def test_luck_is_pooled_in_proportion(self):
        # The large arm's seed variance, in nats, is more than all of the small arm's change.
        level = next(x for x in find_inside(self.ROWS)[0].per_token if (x.arm, x.condition) == ("small", "form"))
        assert level.high < 0.006

    def test_no_mean_over_tokens_that_there_are_none_of(self):
        assert "hedge" not in {level.condition for level in find_inside(self.ROWS)[0].per_token}

    def test_layers_stand_by_number_the_base_with_them(self):
        found, notes = find_inside(self.ROWS)
        assert {(level.arm, level.condition) for level in found.layers} == {
            (a, "1") for a in ("base", "small", "large")
        }
        assert notes == []

    def test_a_control_that_is_not_at_a_half_is_told(self):
        notes = find_inside([*self.ROWS, *inside("leaky", form=0.1, other=0.1, control=0.6)])[1]
        assert len(notes) == 1
        assert re.match(r"leaky: the AUROC with shuffled labels at layer 1 is 0\.(59|60|61) and not 0\.5", notes[0])

    def test_a_control_has_no_luck_to_hide_behind(self):
        """Shuffled labels are at a half in every model: seeds that differ in how far they are above it excuse nothing."""
        rows = [*inside("leaky", form=0.1, other=0.1, seeds=(0,), control=0.53)]
        rows += inside("leaky", form=0.1, other=0.1, seeds=(1,), control=0.63)
        assert "leaky: the AUROC with shuffled labels" in find_inside([*self.ROWS, *rows])[1][0]

    def test_nats_have_no_upper_end(self):
        [form] = [
            level
            for level in find_inside(inside("far", form=3.0, other=0.1))[0].per_token
            if (level.arm, level.condition) == ("far", "form")
        ]
        assert 1 < form.low < form.estimate < form.high

    def test_of_few_problems_there_is_nothing_but_a_note(self):
        found, notes = find_inside(inside("arm", form=0.1, other=0.1, problems=5))
        assert found.shares == found.per_token == found.layers == found.control == ()
        assert "fewer than 6 problems" in notes[0]
        assert re.search(r"\d of internals KL, 1 of internals AUROC of a layer, ", notes[0])

    def test_where_nothing_was_read_it_says_so(self):
        rows = [replace(row, mark=Mark.UNKNOWN, value=None) for row in self.ROWS]
        found, notes = find_inside(rows)
        assert found.shares == found.per_token == found.layers == ()
        assert len(notes) == 1
        assert "internals read nothing" in notes[0]
        assert find_inside([])[1] == []

    def test_without_graded_steps_it_says_that_there_is_no_linear_probe(self):
        rows = [row for row in self.ROWS if row.metric in (KL, TOKENS)]
        assert "no linear probe" in find_inside(rows)[1][0]
