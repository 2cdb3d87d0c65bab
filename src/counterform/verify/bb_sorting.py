"""Words sorted letter by letter, as BIG-Bench's `word_sorting` is solved.

Problem   cowl celerity quill
Attempt   I should start by looking at the first letter of the words in the list. The first letter: "cowl": "c" (3).
          "celerity": "c" (3). "quill": "q" (17). / We now have: (3) ["cowl" ? "celerity"] < (17) "quill". / Now let's
          sort this subpart ["cowl" ? "celerity"] by looking at their second letters. The second letter: "cowl": "o"
          (15). "celerity": "e" (5). / We now have: (5) "celerity" < (15) "cowl" for the subpart. Hence, we have
          "celerity" < "cowl" < "quill". / I have now sorted all the words. The answer is celerity cowl quill
"""

from __future__ import annotations

import re

from counterform.types import Problem, StepVerdict, StepVerifier
from counterform.verify.claims import Claim, Claims, kept, wrong

_ORDINALS = ("first", "second", "third", "fourth", "fifth", "sixth", "seventh", "eighth", "ninth", "tenth", "eleventh")
_ORDINAL = "|".join(_ORDINALS)
_WORD = r"\"?([^\s\"?<>\[\](),.:;]{1,40})\"?"
_W = _WORD.replace("(", "(?:", 1)
_GROUP = rf"(?:\((\d{{1,3}})\) ?)?(\[{_W}(?: \? {_W})*\]|{_W})"
_G = _GROUP.replace(r"(\d", r"(?:\d").replace(r"(\[", r"(?:\[")
_ROW = rf"{_G}(?: < {_G})*"

Group = tuple[str, ...]
"""Words that are not yet told apart; one word: settled."""


class WordSorting(StepVerifier):
    """A step verifier for attempts that sort words by their first letters, then each tie by the next."""

    name = "bb-sorting"
    bounded = True

    def start(self, problem: Problem) -> SortingWatch:
        """A step verifier for one attempt; the words are the prompt, after `List:` where that is said."""
        return SortingWatch(problem.prompt.rpartition("List:")[2].split())


class SortingWatch(Claims):
    """Grades one attempt by its own letters and its own order."""

    def __init__(self, words: list[str]) -> None:
        self._order: list[Group] = [tuple(words)]
        self._depth: dict[frozenset[str], int] = {frozenset(words): 0}
        """How many letters the words of an unsettled group share."""
        self._active: Group = tuple(words)
        self._at = 0
        """Which letter is looked at, from 0."""
        self._letters: dict[str, int] = {}
        """The number of each word's letter in the active group, as the attempt has it."""
        super().__init__(
            {
                r"I should start by looking at the first letters? of the words in the list\.": self._plan,
                rf"Now let's sort this subpart (\[[^\]]*\]|{_W}) by looking at their ({_ORDINAL}) letters?\.": self._choose,
                rf"The ({_ORDINAL}) letter:": self._begin,
                rf"{_WORD}: {_WORD} \((\d{{1,3}})\)[.,;]?": self._list,
                rf"We now have: ({_ROW})( for the subpart)?\.": self._group,
                rf"Hence, we have ({_ROW})\.?": self._merge,
                r"I have now sorted all the words\.": self._end,
                r"The answer is ([^\n]*)": self._answer,
            },
            matter='"',
        )

    def _plan(self, said: Claim) -> StepVerdict:
        return kept("plan")

    def _choose(self, said: Claim) -> StepVerdict:
        """Which tie is looked at, and by which letter."""
        group = tuple(re.findall(_WORD, said[1]))
        self._active, self._letters = group, {}
        due = next((tie for tie in self._order if len(tie) > 1), ())
        if not any(set(group) == set(tie) for tie in self._order):
            return wrong("subpart", f"{_shown([due])} is still to be sorted." if due else "All words are sorted.")
        if set(group) != set(due):
            return wrong("skipped", f"{_shown([due])} comes first.")
        depth = self._depth.get(frozenset(group), 0)
        hint = f"The {_ORDINALS[min(depth, 10)]} letters are to be looked at."
        return kept("subpart") if _ORDINALS.index(said[2]) == depth else wrong("letter", hint)

    def _begin(self, said: Claim) -> StepVerdict:
        self._at, self._letters = _ORDINALS.index(said[1]), {}
        self._depth[frozenset(self._active)] = self._at
        return kept("letter")

    def _list(self, said: Claim) -> StepVerdict:
        """The letter of one word of the group, with its place in the alphabet."""
        word, letter, number = said[1], said[2].lower(), int(said[3])
        self._letters[word] = number
        due = word[self._at : self._at + 1].lower()
        if word not in self._active:
            return wrong("word", f'There is no "{word}" in it.')
        sound = not due or (letter == due and number == _number(due))
        hint = f'"{word}": "{due}" ({_number(due)}).'
        if len(letter) == 1 and letter.isascii() and letter.isalpha() and number != _number(letter):
            return self.wrong_alone("letter", hint)
        return kept("letter") if sound else wrong("letter", hint)

    def _group(self, said: Claim) -> StepVerdict:
        """The group by its letters, those with one letter still tied."""
        row = _row(said[1])
        listed = len(self._letters) >= len(self._active)  # with a word of its own, perhaps, for one of those asked
        numbers = {} if listed else {word: _number(word[self._at : self._at + 1]) for word in self._active}
        numbers |= self._letters
        by_number: dict[int, set[str]] = {}
        for word, number in numbers.items():
            by_number.setdefault(number, set()).add(word)
        due = [tuple(sorted(by_number[number])) for number in sorted(by_number)]
        self._replace([words for _, words in row])
        right = [set(words) for _, words in row] == [set(words) for words in due] and all(
            number is None or all(numbers.get(word) == number for word in words) for number, words in row
        )
        return kept("groups") if right else wrong("groups", f"We now have: {_shown(due)}.")

    def _replace(self, groups: list[Group]) -> None:
        """Puts the groups where the active one stood."""
        order: list[Group] = []
        for tie in self._order:
            order += groups if set(tie) == set(self._active) else [tie]
        self._order = order
        for words in groups:
            self._depth[frozenset(words)] = self._at + 1

    def _merge(self, said: Claim) -> StepVerdict:
        """The whole order, with what was just sorted in its place."""
        claimed, due = [words for _, words in _row(said[1])], self._order
        self._order = claimed
        right = [set(words) for words in claimed] == [set(words) for words in due]
        return kept("order") if right else wrong("order", f"Hence, we have {_shown(due)}.")

    def _end(self, said: Claim) -> StepVerdict:
        tie = next((tie for tie in self._order if len(tie) > 1), None)
        return wrong("end", f"{_shown([tie])} is still to be sorted.") if tie else kept("end")

    def _answer(self, said: Claim) -> StepVerdict:
        due = [word for words in self._order for word in words]
        return (
            kept("answer") if said[1].strip(" .").split() == due else wrong("answer", f"The answer is {' '.join(due)}")
        )


def _row(text: str) -> list[tuple[int | None, Group]]:
    """The groups of a row in order, each with the number said to be its letter's."""
    return [
        (int(number) if number else None, tuple(re.findall(_WORD, group))) for number, group in re.findall(_GROUP, text)
    ]


def _number(letter: str) -> int:
    """A letter's place in the alphabet; 0 where there is none."""
    return ord(letter.lower()) - ord("a") + 1 if letter.isascii() and letter.isalpha() else 0


def _shown(groups: list[Group]) -> str:
    tied = [" ? ".join(f'"{word}"' for word in words) for words in groups]
    return " < ".join(f"[{names}]" if " ? " in names else names for names in tied)
