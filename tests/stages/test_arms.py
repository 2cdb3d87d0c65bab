"""What is said of cases that are too few."""

import pytest

from counterform.stages.arms import _few


@pytest.mark.parametrize(
    ("cases", "left_out", "notes"),
    [
        (48, {}, []),
        (24, {"guided": 24}, []),
        (23, {"guided": 1}, ["23 cases, where 48 were asked for"]),
        (
            1,
            {"guided": 27, "rft": 1},
            ["1 case, where 48 were asked for", "27 more left all arms because guided had nothing for them"],
        ),
    ],
)
def test_arms_of_few_cases_say_so_and_which_arm_took_the_rest(cases, left_out, notes):
    found = list(_few(cases, 48, left_out))
    assert len(found) == len(notes)
    assert [said for said, note in zip(notes, found, strict=True) if said not in note] == []
