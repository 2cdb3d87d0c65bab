import math

import msgspec
import pytest

from counterform.metrics import Metric, Shift
from counterform.results import Baseline, Finding, Level, Results, Retention, SelfTrust, Traits, decode

FINDING = Finding(
    claim="",
    probe="shift",
    metric="exact match",
    shift=Shift(axis="length", level="7", distance=1.0),
    arm="a",
    versus="base",
    baseline=math.nan,
    estimate=0.1,
    low=-math.inf,
    high=math.inf,
    p=1.0,
    p_holm=1.0,
    mde=math.inf,
    n_items=1,
    n_problems=1,
    n_seeds=1,
    n_missing=0,
    verdict="undecided",
    sentence="",
)
RETENTION = Retention(
    trait="hedge",
    arm="a",
    rate=math.nan,
    base=1.0,
    kept=None,
    low=None,
    high=None,
    p_holm=1.0,
    n_answers=1,
    n_problems=1,
    n_seeds=1,
    verdict="undecided",
    sentence="",
)
RESULTS = Results(
    question="?",
    findings=(FINDING,),
    levels=(),
    baselines=(Baseline(probe="accuracy", metric="pass@1", name="random", value=0.1),),
    metrics={"shift": (Metric(name="exact match", title="Exact", bounds=(None, 1.0)),)},
    sections={"shift": "shift", "traits": "traits"},
    own={"traits": msgspec.to_builtins(Traits(retained=(RETENTION,), accuracy=(FINDING,)))},
)


def test_results_come_back_from_json_and_what_is_no_number_is_none_still():
    back = decode(msgspec.json.encode(RESULTS), Results)
    [finding] = back.findings
    assert all(math.isnan(value) for value in (finding.baseline, finding.low, finding.high, finding.mde))
    assert (finding.estimate, finding.shift) == (0.1, FINDING.shift)
    assert (back.baselines, back.metrics, back.sections) == (RESULTS.baselines, RESULTS.metrics, RESULTS.sections)
    assert back.metric(finding).title == "Exact"


def test_what_a_probe_found_of_its_own_is_read_as_what_its_section_knows():
    own = decode(msgspec.json.encode(RESULTS), Results).own_of("traits", Traits)
    [row], [finding] = own.retained, own.accuracy
    assert math.isnan(row.rate)
    assert row.kept is row.low is None
    assert math.isnan(finding.baseline)
    assert RESULTS.own_of("trust", SelfTrust) is None


@pytest.mark.parametrize("text", [b"", b"{", b'{"question": 1}', b"[]", b'{"question": "?", "findings": [{}]}'])
def test_what_are_no_results_is_an_error_of_msgspec(text):
    with pytest.raises(msgspec.DecodeError):
        decode(text, Results)


def test_no_nan_where_none_has_a_meaning():
    assert decode(b'{"x": null}', dict[str, float | None]) == {"x": None}
    level = b'{"probe": "p", "metric": "m", "shift": null, "arm": "a", "estimate": null, "low": 0, "high": 1, "n_items": 1, "n_seeds": 1, "unknown": 0}'
    found = decode(level, Level)
    assert math.isnan(found.estimate)
    assert found.shift is None
