"""Numbers, bounds and phrases as sentences have them."""

import pytest

from counterform.guard.drafting.reading import alike, has_phrase, mentions, quoted, times


@pytest.mark.parametrize(
    ("text", "found"),
    [
        ("At most five books, and at most one film.", [(5, "at most"), (1, "at most")]),
        ("No more than 3 books.", [(3, "at most")]),
        ("More than $1,000.50 needs a manager.", [(1000.5, "over")]),
        ("Not less than 2 days.", [(2, "at least")]),
        ("Thirty days or more.", [(30, "at least")]),
        ("It can only be called once.", [(1, "at most")]),
        ("Members under 16.", [(16, "under")]),
        ("Within 24 hours of booking.", [(24, "at most")]),
        ("At 02:30 on 2026-03-02 nothing is said, nor in v2 or b12.", []),
        ("50% of 8", [(50, ""), (8, "")]),
    ],
)
def test_numbers_with_their_bounds(text, found):
    assert [(mention.value, mention.boundary) for mention in mentions(1, text)] == found


def test_what_is_forbidden():
    assert [m.forbids for m in mentions(1, "A loan may not be over 21 days, it must last 3 days.")] == [True, False]


def test_words():
    assert all(alike(a, b) for a, b in (("cancel", "cancellation"), ("bag", "baggage"), ("modify", "modified")))
    assert not any(alike(a, b) for a, b in (("can", "cancel"), ("order", "ordinary"), ("flight", "fly")))
    assert has_phrase("three gift cards", "gift_card")
    assert not has_phrase("each basic economy passenger", "economy", ["basic_economy", "economy"])
    assert has_phrase("basic economy or economy", "economy", ["basic_economy"])
    assert quoted("Either 'no longer needed' or \"on time\", the user's choice, isn't it?") == [
        "no longer needed",
        "on time",
    ]
    assert times("It is 2026-03-02T15:00:00 now.") == {"2026-03-02 15:00:00"}
