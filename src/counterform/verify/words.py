"""Words as answers: the same, plainly others, or perhaps another way to say it."""

from __future__ import annotations

import re

from counterform.types import Mark
from counterform.verify import prose, units

MAX_ASKED = 20_000
"""Characters of a question in which the words of answers are looked for."""
MOST_OTHER_WORDS = 3
"""Words of an answer that shares none with the key and is another; a longer one may be a way to say it."""
SHORT_NAME = 3
"""Letters of a word that may be the short form of a longer one."""
_DENIALS = frozenset(("not", "no", "or", "nor", "neither", "either", "never", "except", "none"))
_LINKS = frozenset(("to", "via", "of", "in", "from", "by", "with"))
_SYNONYMS = ({"yes", "true"}, {"no", "false"})
_NEAR = (
    {"yes", "true", "yeah", "yep", "correct", "right", "sure", "affirmative", "valid"},
    {"no", "false", "nope", "incorrect", "wrong", "negative", "invalid"},
    {"none", "null", "nothing", "nil", "empty", "n/a", "nan", "zero"},
)
"""Words that may say the same as one another, and may not."""
_BARE = str.maketrans("", "", " \t\r\n$")


def compare_words(key: str, answer: str, asked: str) -> tuple[Mark, str]:
    """RIGHT for the same words, WRONG for plainly other ones; the question may name both."""
    if key == answer or key.translate(_BARE) == answer.translate(_BARE):
        return Mark.RIGHT, ""
    mine, theirs = prose.words(key), prose.words(answer)
    numbers = prose.number_in_words(key), prose.number_in_words(answer)
    if None not in numbers:
        return (Mark.RIGHT, "") if numbers[0] == numbers[1] else (Mark.WRONG, "")
    if any({key, answer} <= names for names in _SYNONYMS):
        return Mark.RIGHT, ""
    if not mine or not theirs:
        return Mark.UNKNOWN, "one has no words"
    if any({key, answer} <= names for names in _NEAR):
        return Mark.UNKNOWN, "the words may mean the same"
    if _plainly_other(mine, theirs) or (_named(key, asked) and _named(answer, asked)):
        return Mark.WRONG, ""
    return Mark.UNKNOWN, "the words are others, and may mean the same"


def _plainly_other(mine: list[str], theirs: list[str]) -> bool:
    """Whether words say something else: single words of other stems, or a long phrase with a part changed."""
    if len(mine) + len(theirs) > 2 and ({*mine} ^ {*theirs}) & _DENIALS:
        return False
    stems = [[units.stem(word)[:5] for word in found] for found in (mine, theirs)]
    shared = {*stems[0]} & {*stems[1]}
    shorter, longer = sorted((mine, theirs), key=len)
    if not shared:
        if (
            len(mine) == len(theirs) == 1
            and min(map(len, (*mine, *theirs))) >= SHORT_NAME
            and (mine[0].startswith(theirs[0]) or theirs[0].startswith(mine[0]))
        ):
            return False  # Bob and Bobby
        if len(shorter) == 1 < len(longer) and len(shorter[0]) <= SHORT_NAME + 1:
            return False  # NaCl and sodium chloride, USA and United States
        return len(longer) <= (2 if len(shorter) == 1 else MOST_OTHER_WORDS)
    if sorted(mine) == sorted(theirs) or 2 * len(shared) < len({*shorter}):
        return False
    padded = f" {' '.join(longer)} "
    if f" {' '.join(shorter)} " in padded:
        return False
    rest = iter(longer)
    left_out = all(word in rest for word in shorter)  # "Tom Smith" may be "Tom A. Smith"; of "A to B", all parts count
    return len(shorter) > 2 and (not left_out or len(shorter) > 3 or bool({*shorter} & _LINKS))


def _named(text: str, asked: str) -> bool:
    """Whether the question itself uses these words."""
    return len(text) > 2 and re.search(rf"(?<!\w){re.escape(text)}(?!\w)", asked[:MAX_ASKED].casefold()) is not None
