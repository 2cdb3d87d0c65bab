import json
import time

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import DataError
from counterform.text.lexicon import MAX_CHARACTERS, Lexicon, load_lexicon

OURS = load_lexicon()
PIECES = (
    *(term for terms in OURS.terms.values() for term in terms),
    "WAIT",
    ",",
    " ",
    "\n",
    "_",
    "7",
    "é",
    "’",
    "-",
    "x",
    "İ",
    "\ud83d",
)
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=4), max_size=12).map("".join)


def found(text, lexicon=OURS):
    return dict(zip(lexicon.kinds, lexicon.counts([text])[0].tolist(), strict=True))


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("Wait, 7 + 5 = 12.", {"backtrack": 1}),
        ("He awaits the unlikely checked bag; they wait for an actual check.", {}),
        ("PERHAPS it is. Hmm... Maybe not!", {"hedge": 3}),
        ("Let me check. I checked. It was checked.", {"self-check": 1}),
        ("Let me\n double check: it’s likely", {"self-check": 1, "hedge": 1}),
        ("let me try again", {"backtrack": 1}),
        ("Another way: alternatively_ not", {"alternative": 1}),
        ("", {}),
    ],
)
def test_whole_words_whatever_their_case(text, expected):
    assert {kind: n for kind, n in found(text).items() if n} == expected


@given(TEXTS)
def test_counting_and_finding_agree(text):
    spans = list(OURS.spans(text))
    # Counting starts anew behind each marker, which changes nothing for terms that begin and end in ASCII.
    assert found(text) == {kind: sum(k == kind for *_, k in spans) for kind in OURS.kinds}
    for start, end, _ in spans:
        assert 0 <= start < end <= len(text)
        assert not text[start - 1 : start].isascii() or not text[start - 1 : start].isalnum()


def test_the_longest_term_counts_and_each_kind_by_itself():
    lexicon = Lexicon({"a": ["no", "no wait"], "b": ["wait"]})
    assert found("No wait. Wait no.", lexicon) == {"a": 2, "b": 2}
    assert list(lexicon.spans("no  wait")) == [(0, 8, "a"), (4, 8, "b")]


def test_other_scripts():
    lexicon = Lexicon({"a": ["überprüfe", "等等", "café"]})
    assert found("Ich ÜBERPRÜFE es. 等等,不对。等等 Café! cafés", lexicon) == {"a": 4}


def test_our_own_list_has_no_term_inside_another_kinds():
    for kind, terms in OURS.terms.items():
        for term in terms:
            assert {k for *_, k in OURS.spans(f"{term} ")} == {kind}, term


@pytest.mark.parametrize(
    ("kinds", "message"),
    [
        ({}, "no kinds"),
        ({"hedge": []}, "kind 'hedge' has no terms"),
        ({"hedge": ["perhaps", " "]}, "term '' of kind 'hedge' is empty"),
        ({"hedge": ["(a+)+b"]}, r"term '\(a\+\)\+b' of kind 'hedge' holds '\(': terms are plain words"),
        ({"hedge": ["wait.*"]}, r"holds '\*'"),
        ({"hedge": ["x" * 81]}, "longer than 80"),
        ({"hedge": ["a\x00b"]}, "cannot be printed"),
        ({"hedge": ["..."]}, "must begin with"),
        ({"a": ["Maybe"], "b": ["maybe"]}, "term 'maybe' stands under 'a' and under 'b'"),
        ({"Hedge!": ["maybe"]}, "kind 'Hedge!' must be a name"),
        ({"hedge": [f"word{n:06d}" for n in range(3_000)]}, f"at most {MAX_CHARACTERS:,}"),
    ],
)
def test_what_is_no_lexicon_is_refused_by_name(tmp_path, kinds, message):
    file = tmp_path / "mine.json"
    file.write_text(json.dumps({"kinds": kinds}))
    with pytest.raises(DataError, match=message) as caught:
        load_lexicon(file)
    assert "mine.json" in str(caught.value)


@pytest.mark.parametrize(
    "text", ["", "[]", '{"kinds": {"a": "perhaps"}}', '{"kinds": {"a": ["x"]}, "more": 1}', "\ud83d"]
)
def test_a_file_of_something_else_is_refused(tmp_path, text):
    file = tmp_path / "mine.json"
    file.write_text(text, errors="replace")
    with pytest.raises(DataError, match=r"mine\.json' is not of the form"):
        load_lexicon(file)
    with pytest.raises(DataError, match="cannot read the lexicon"):
        load_lexicon(tmp_path / "none.json")


def test_the_largest_list_and_a_hostile_text_take_linear_time():
    lexicon = Lexicon({"a": [f"word {n:04d} x" for n in range(MAX_CHARACTERS // 11)]})
    texts = ["word " * 20_000, "word 000" * 10_000, "a" * 100_000, "\u202e\x00" * 20_000]
    started = time.process_time()
    assert lexicon.counts(texts).sum() == 0
    assert not any(list(lexicon.spans(text)) for text in texts)
    assert time.process_time() - started < 5


def test_no_texts():
    assert OURS.counts([]).shape == (0, 4)
