import time
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.models.loading import load_tokenizer
from counterform.results import TOKEN_CLASSES
from counterform.text.token_classes import character_classes, token_classes

PIECES = ("The answer is ", "#### ", "\\boxed{", "}", "7", " = ", "3.5", ". ", "\n", "Wait, ", "maybe", "é½", "  ", "x")
TEXTS = st.lists(st.sampled_from(PIECES) | st.text(max_size=5), max_size=20).map("".join)


def words(text):
    """Each run of characters of one class with its class, blanks and `other` left out."""
    found, before = [], None
    for character, number in zip(text, character_classes(text), strict=True):
        name = TOKEN_CLASSES[number]
        if name != before:
            found.append([name, ""])
        found[-1][1] += character
        before = name
    return [(name, run.strip()) for name, run in found if name != "other" and run.strip()]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (
            "7 + 5 = 12. 12 * 2 = 24. The answer is 24.",
            [
                ("step result", "12"),
                ("step result", "24"),
                ("form", "The answer is"),
                ("answer", "24"),
                ("form", "."),
            ],
        ),
        (
            "Wait, 7 + 5 = 13.\nHmm... maybe 14",
            [("hedge", "Wait"), ("step result", "13"), ("hedge", "Hmm"), ("hedge", "maybe"), ("step result", "14")],
        ),
        ("It is unlikely that he awaits a checked bag", []),
        ("Let me check. I think so.", [("hedge", "Let me check"), ("hedge", "I think")]),
        ("Add 5 to 7 to get 12 apples.", [("step result", "12")]),
        ("1. Add 3 and 4 to get 7\n2. Done", [("step result", "7")]),
        (
            "48/2 = <<48/2=24>>24 clips\n#### 1,072.5",
            [("step result", "24"), ("form", "####"), ("answer", "1,072.5")],
        ),
        (
            "so x = -3. Therefore, the final answer is: \\boxed{\\frac{1}{2}}.",
            [
                ("step result", "-3"),
                ("form", "Therefore, the final answer is: \\boxed{"),
                ("answer", "\\frac{1}{2}"),
                ("form", "}."),
            ],
        ),
        ("**Answer:** (B)", [("form", "Answer:**"), ("answer", "(B)")]),
        ("The answer is", [("form", "The answer is")]),
        ("", []),
    ],
)
def test_what_is_what(text, expected):
    assert words(text) == expected


@given(TEXTS, st.randoms())
def test_every_token_has_one_class_and_it_is_that_of_one_of_its_characters(text, random):
    cuts = sorted({0, len(text), *(random.randrange(len(text) + 1) for _ in range(6))})
    spans = list(pairwise(cuts))
    of_characters = character_classes(text)
    for (start, end), name in zip(spans, token_classes(text, spans), strict=True):
        inside = [of_characters[at] for at in range(start, end) if not text[at].isspace()]
        assert name in (inside or [TOKEN_CLASSES.index("other")])
    assert (token_classes(text, [(at, at + 1) for at in range(len(text))]) == of_characters)[
        [not c.isspace() for c in text]
    ].all()


@given(TEXTS)
def test_a_text_before_a_line_changes_nothing_in_it(text):
    before = character_classes(text)
    assert (character_classes(f"Go on\n{text}")[6:] == before).all()


@given(TEXTS)
def test_spans_beyond_the_text_are_bearable(text):
    assert len(token_classes(text, [(0, len(text) + 5), (len(text), len(text)), (3, 3)])) == 3


@pytest.mark.parametrize(
    "text", ["The answer is " * 8_000, "\\boxed{" * 10_000, "1" * 50_000, "1. " * 20_000, "= " * 20_000, "####" * 9_999]
)
def test_a_hostile_text_takes_linear_time(text):
    started = time.perf_counter()
    character_classes(text)
    assert time.perf_counter() - started < 3


def test_the_worlds_tokenizer_says_where_its_tokens_stand():
    text = "7 + 5 = 12. Wait, 7 + 5 = 13.\nThe answer is 13. <s>  é½"
    encoded = load_tokenizer("world")(text, add_special_tokens=False, return_offsets_mapping=True)
    spans = encoded["offset_mapping"]
    assert "".join(text[start:end] for start, end in spans) == text
    tokens = [text[start:end].strip() for start, end in spans]
    named = [TOKEN_CLASSES[number] for number in token_classes(text, spans)]
    assert [(t, n) for t, n in zip(tokens, named, strict=True) if n != "other"] == [
        ("12", "step result"),
        ("Wait", "hedge"),
        ("13", "step result"),
        ("The", "form"),
        ("answer", "form"),
        ("is", "form"),
        ("13", "answer"),
        (".", "form"),
    ]
