import re
from collections import Counter
from itertools import pairwise

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from msgspec.structs import replace

from counterform.errors import DataError
from counterform.parts import part
from counterform.problems.route import (
    ERRORS,
    FEWEST_PLACES,
    LENGTHS,
    LETTERS,
    MOST_PLACES,
    PLACES,
    Route,
    as_multiple_choice,
    broken_steps,
    near_misses,
    noisy_attempt,
    solution_steps,
)
from counterform.problems.route_map import Map, Step, in_words, read_step
from counterform.testing import check_verifier
from counterform.text.steps import split_steps
from counterform.types import Mark, Problem, Verdict
from counterform.verify.answer import Answers
from counterform.verify.audit import audit_family

FAMILY = Route()
SEEDS = st.integers(0, 2**32 - 1)
SOME_LENGTHS = st.sampled_from(LENGTHS)
RIGHT, WRONG, UNKNOWN = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN
# Ash has the dead end Bay behind Cliff, and the goal Glen behind Dale and Elm; Farm is a dead end at Dale.
FACTS = {
    "roads": [["Ash", "Cliff"], ["Dale", "Farm"], ["Ash", "Dale"], ["Cliff", "Bay"], ["Elm", "Glen"], ["Dale", "Elm"]],
    "start": "Ash",
    "goal": "Glen",
    "order": "depth",
}
PROBLEM = Problem(id="p", prompt="?", answer="Ash via Dale via Elm to Glen", family="route", facts=FACTS)
WAYS = {
    "A": ["Ash", "Cliff", "Glen"],
    "B": ["Ash", "Dale", "Elm", "Glen"],
    "C": ["Ash", "Dale", "Glen"],
    "D": ["Ash", "Cliff", "Bay"],
}
CHOICE = replace(PROBLEM, answer="B", facts=FACTS | {"options": WAYS})


@pytest.fixture(scope="module")
def outcome():
    with Answers(5.0) as answers:
        yield lambda problem, text: answers([(problem, text)])[0].strict


def graded(problem, steps):
    watch = FAMILY.start(problem)
    return tuple(watch.feed(step) for step in steps)


def marks(steps, problem=PROBLEM):
    return [verdict.mark for verdict in graded(problem, steps)]


def verdict(problem, steps):
    steps = graded(problem, steps)
    return Verdict(attempt_id="a", outcome=UNKNOWN, lenient=UNKNOWN, steps=steps, verifier="route")


def drawn(seed, length, multiple_choice=False):
    rng = np.random.default_rng(seed)
    [problem] = FAMILY.generate(1, rng=rng, lengths=[length])
    return as_multiple_choice(problem, rng) if multiple_choice else problem


def sentences(text):
    return [text[start:end] for start, end in split_steps(text)]


def tokens(text):
    return re.findall(r"[A-Za-z]+|\d+|[^\sA-Za-z\d]", text)


def openings(steps):
    return [step.places for step in map(read_step, steps) if step.kind == "open"]


# The generator.


@given(SEEDS, SOME_LENGTHS)
def test_a_map_is_a_tree_with_dead_ends_and_one_way_of_the_length_asked_for(seed, length):
    problem = drawn(seed, length)
    on = Map(problem.facts)
    assert FEWEST_PLACES <= len(on.roads) <= MOST_PLACES
    assert set(on.roads) <= set(PLACES)
    assert len(problem.facts["roads"]) == len(on.roads) - 1
    assert all(on.way(place) for place in on.roads)
    assert len(on.way(on.goal)) == length
    assert problem.answer == in_words(on.way(on.goal))
    assert any(len(after) == 1 for place, after in on.roads.items() if place not in (on.start, on.goal))


@given(SEEDS, SOME_LENGTHS)
def test_the_prompt_says_every_road_and_both_ends(seed, length):
    problem = drawn(seed, length)
    said = re.findall(r"(\w+)-(\w+)[,.]", problem.prompt.partition("?")[0])
    assert [list(road) for road in said] == problem.facts["roads"]
    assert f"from {problem.facts['start']} to {problem.facts['goal']}?" in problem.prompt


@given(SEEDS, SOME_LENGTHS, st.booleans(), st.sampled_from(["breadth", "depth"]))
def test_worked_solutions_in_either_order_are_right(seed, length, multiple_choice, order):
    problem = drawn(seed, length, multiple_choice)
    steps = solution_steps(problem, order)
    assert verdict(problem, steps).process is RIGHT
    assert steps[-1] == f"The answer is {problem.answer}."
    assert sentences(problem.solution) == solution_steps(problem) == solution_steps(problem, problem.facts["order"])


@given(SEEDS, SOME_LENGTHS)
def test_the_orders_of_search_are_what_they_are_called_and_differ(seed, length):
    problem = drawn(seed, length)
    on = Map(problem.facts)
    breadth, depth = (openings(solution_steps(problem, order)) for order in ("breadth", "depth"))
    assert breadth != depth
    far = [len(on.way(opened)) for _, opened in breadth]
    assert far == sorted(far)
    opened = [on.start]
    for place, new in depth:
        leads_on = [one for one in opened if set(on.roads[one]) - set(opened)]
        assert place == leads_on[-1]
        opened.append(new)


def test_half_of_the_solutions_search_in_each_order_and_every_length_comes():
    problems = FAMILY.generate(400, rng=np.random.default_rng(0), lengths=(3, 4))
    orders = Counter(problem.facts["order"] for problem in problems)
    assert set(orders) == {"breadth", "depth"}
    assert min(orders.values()) > 160
    assert {problem.answer.count(" ") for problem in problems} == {4, 6}


def test_problems_differ_and_come_again_from_the_same_seed():
    first, second = (FAMILY.generate(300, rng=np.random.default_rng(3)) for _ in range(2))
    assert first == second
    assert len({p.id for p in first}) == len({p.prompt for p in first}) == 300
    assert FAMILY.generate(300, rng=np.random.default_rng(4)) != first


def test_ids_follow_the_prompt_alone():
    few, many = (FAMILY.generate(n, rng=np.random.default_rng(0)) for n in (5, 50))
    assert [p.id for p in few] == [p.id for p in many][:5]


@pytest.mark.parametrize("lengths", [(), (1,), (3, 11)])
def test_lengths_that_no_way_has_are_refused(lengths):
    with pytest.raises(DataError, match="has 2 to 10 places"):
        FAMILY.generate(3, rng=np.random.default_rng(0), lengths=lengths)


def test_words_are_few_and_texts_are_short():
    rng = np.random.default_rng(0)
    free = FAMILY.generate(300, rng=rng)
    problems = free + [as_multiple_choice(problem, rng) for problem in free]
    attempts = [" ".join(noisy_attempt(problem, rng, unnoticed=0.4, mended=0.4)) for problem in problems]
    texts = [*attempts, *(text for problem in problems for text in (problem.prompt, problem.solution))]
    assert len({token for text in texts for token in tokens(text)}) <= 60
    assert max(len(tokens(problem.prompt)) for problem in problems) <= 120
    assert max(len(tokens(problem.solution)) for problem in problems) <= 90


# Multiple choice.


@given(SEEDS, SOME_LENGTHS)
def test_options_are_the_right_way_and_three_near_misses(seed, length):
    problem = drawn(seed, length)
    choice = as_multiple_choice(problem, np.random.default_rng(seed))
    on = Map(choice.facts)
    assert choice.facts | {"options": 0} == problem.facts | {"options": 0}
    assert tuple(on.options) == tuple(LETTERS)
    assert len(set(on.options.values())) == len(LETTERS)
    assert [letter for letter, way in on.options.items() if way == on.way(on.goal)] == [choice.answer]
    assert all(f"{letter}: {in_words(way)}." in choice.prompt for letter, way in on.options.items())
    assert sentences(choice.solution)[:-1] == sentences(problem.solution)[:-1]


@given(SEEDS, SOME_LENGTHS)
def test_each_near_miss_is_wrong_in_its_own_way(seed, length):
    on = Map(drawn(seed, length).facts)

    def sound(way):
        return all(b in on.roads[a] for a, b in pairwise(way))

    through_dead_end, elsewhere, missing_road = near_misses(on, np.random.default_rng(seed))
    assert len(on.roads[through_dead_end[-2]]) == 1
    assert sound(through_dead_end[:-1])
    assert not sound(through_dead_end)
    assert sound(elsewhere)
    assert elsewhere[-1] != on.goal
    assert not sound(missing_road)
    assert (missing_road[0], missing_road[-1]) == (on.start, on.goal)


def test_the_right_option_stands_everywhere_equally_often():
    rng = np.random.default_rng(0)
    choices = [as_multiple_choice(problem, rng) for problem in FAMILY.generate(800, rng=rng)]
    counts = Counter(choice.answer for choice in choices)
    assert sorted(counts) == list(LETTERS)
    assert max(abs(n - 200) for n in counts.values()) < 45  # 3.7 standard deviations
    assert len({choice.id for choice in choices}) == 800


def test_multiple_choice_keeps_the_split_and_can_be_drawn_again():
    problem = replace(drawn(0, 4), split="held_out")
    first, again = (as_multiple_choice(problem, np.random.default_rng(7)) for _ in range(2))
    assert first == again
    assert first.split == "held_out"
    assert as_multiple_choice(first, np.random.default_rng(7)) == first
    assert first.id != problem.id


# Errors.


@given(SEEDS, SOME_LENGTHS, st.booleans())
@settings(max_examples=60)
def test_planted_errors_are_caught_where_they_are(seed, length, multiple_choice):
    problem = drawn(seed, length, multiple_choice)
    planted = FAMILY.plant_errors(problem, rng=np.random.default_rng(seed))
    assert [error.kind for error in planted] == list(ERRORS)
    for error in planted:
        read = verdict(problem, sentences(error.text))
        assert read.first_error == error.first_error, error
        assert read.steps[error.first_error].hint


@given(SEEDS, SOME_LENGTHS, st.booleans(), st.sampled_from(list(ERRORS)))
def test_a_mended_error_leaves_a_sound_attempt(seed, length, multiple_choice, kind):
    problem = drawn(seed, length, multiple_choice)
    steps, at = broken_steps(problem, np.random.default_rng(seed), kind=kind, mended=True)
    read = verdict(problem, steps)
    assert read.process is RIGHT
    assert [index for index, step in enumerate(read.steps) if step.mark is not RIGHT] == [at]
    assert steps[at + 1].startswith("Wait, ")
    assert steps[-1].casefold().endswith(f"the answer is {problem.answer}.".casefold())


@given(SEEDS, SOME_LENGTHS, st.sampled_from(["road", "again", "unopened"]))
def test_an_early_error_is_not_counted_again(seed, length, kind):
    problem = drawn(seed, length)
    steps, at = broken_steps(problem, np.random.default_rng(seed), kind=kind)
    assert [index for index, mark in enumerate(marks(steps, problem)) if mark is not RIGHT] == [at]


def test_the_audit_passes(outcome):
    with Answers(5.0) as answers:
        rows = audit_family(FAMILY, answers, FAMILY)
    assert {row.check for row in rows} == {"own solutions", *(f"planted: {kind}" for kind in ERRORS)}
    assert all(row.passed == row.total >= 200 for row in rows)


def test_noise_has_the_shares_asked_for():
    rng = np.random.default_rng(0)
    problems = FAMILY.generate(400, rng=rng)
    problems[::2] = [as_multiple_choice(problem, rng) for problem in problems[::2]]
    assert all(noisy_attempt(p, rng, unnoticed=0, mended=0) == sentences(p.solution) for p in problems)
    noticed = [noisy_attempt(p, rng, unnoticed=0, mended=1) for p in problems]
    assert all(" Wait, " in " ".join(steps) for steps in noticed)
    assert all(verdict(p, steps).process is RIGHT for p, steps in zip(problems, noticed, strict=True))
    unnoticed = [noisy_attempt(p, rng, unnoticed=1, mended=0) for p in problems]
    assert all(verdict(p, steps).process is WRONG for p, steps in zip(problems, unnoticed, strict=True))
    broken = np.mean([steps[-1] != f"The answer is {p.answer}." for p, steps in zip(problems, unnoticed, strict=True)])
    assert 0.5 < broken < 0.8
    mixed = [verdict(p, noisy_attempt(p, rng, unnoticed=0.4, mended=0.3)) for p in problems]
    assert 0.3 < np.mean([read.process is WRONG for read in mixed]) < 0.5
    assert 0.2 < np.mean([any(step.mends for step in read.steps) for read in mixed]) < 0.4


# The watch.


def test_a_road_may_be_named_in_the_words_a_real_model_would_use():
    assert graded(PROBLEM, ["Ash to Dale.", "Wait, Ash to Cliff."]) == graded(
        PROBLEM, ["Ash-Dale.", "Wait, Ash-Cliff."]
    )


def test_a_rule_is_named_and_a_right_step_told():
    def last(*steps):
        verdict = graded(PROBLEM, steps)[-1]
        return verdict.mark, verdict.rule, verdict.hint

    assert last("Ash-Elm.") == (WRONG, "road", "Ash-Cliff.")
    assert last("Ash-Dale.", "Dale-Glen.") == (WRONG, "road", "Dale-Farm.")
    assert last("Ash-Dale.", "Ash-Dale.") == (WRONG, "again", "Ash-Cliff.")
    assert last("Ash-Dale.", "Dale-Ash.") == (WRONG, "again", "Dale-Farm.")
    assert last("Dale-Elm.") == (WRONG, "unopened", "Ash-Cliff.")
    assert last("Ash-Dale.", "Dale is a dead end.") == (WRONG, "dead end", "Dale-Farm.")
    assert last("Farm is a dead end.") == (WRONG, "unopened", "Ash-Cliff.")
    assert last("Ash-Dale.", "The answer is Ash to Dale.") == (WRONG, "unfinished", "Ash-Cliff.")
    there = ("Ash-Dale.", "Dale-Elm.", "Elm-Glen.")
    told = "The answer is Ash via Dale via Elm to Glen."
    assert last(*there, "Glen is a dead end.") == (WRONG, "dead end", told)
    assert last(*there, "The answer is Ash via Dale to Glen.") == (WRONG, "answer", told)
    assert last(*there, "The answer is Ash to Dale.") == (WRONG, "answer", told)
    assert last(*there, told) == (RIGHT, "answer", "")


def test_a_right_step_is_told_where_every_place_was_called_a_dead_end():
    steps = ["Ash-Cliff.", "Cliff-Bay.", "Bay is a dead end.", "Cliff is a dead end.", "Ash is a dead end."]
    assert graded(PROBLEM, [*steps, "Bay is a dead end."])[-1].hint == "Ash-Dale."


def test_any_order_of_opening_is_sound():
    steps = ["Ash-Dale.", "Ash-Cliff.", "Dale-Elm.", "Cliff-Bay.", "Bay is a dead end.", "Elm-Glen."]
    assert marks(steps) == [RIGHT] * 6


def test_a_place_whose_roads_are_all_tried_is_a_dead_end_once():
    steps = ["Ash-Cliff.", "Cliff-Bay.", "Bay is a dead end.", "Cliff is a dead end.", "Cliff is a dead end."]
    assert marks(steps) == [RIGHT] * 4 + [WRONG]


def test_a_way_over_a_road_that_was_never_taken_is_wrong():
    steps = ["Ash-Dale.", "Dale-Glen.", "The answer is Ash via Dale via Elm to Glen."]
    assert marks(steps) == [RIGHT, WRONG, WRONG]
    assert marks([*steps[:2], "The answer is Ash via Dale to Glen."]) == [RIGHT, WRONG, RIGHT]


def test_going_in_a_circle_is_no_way():
    steps = ["Ash-Dale.", "Dale-Elm.", "Elm-Ash.", "Elm-Glen."]
    assert marks([*steps, "The answer is Ash via Dale via Elm via Ash via Dale via Elm to Glen."])[-1] is WRONG
    assert marks([*steps, "The answer is Ash via Dale via Elm to Glen."])[-1] is RIGHT


def test_wait_takes_back_the_step_before():
    read = verdict(PROBLEM, ["Ash-Elm.", "Wait, Ash-Bay.", "Wait, Ash-Dale.", "Elm-Glen."])
    assert [step.mark for step in read.steps] == [WRONG, WRONG, RIGHT, WRONG]
    assert [step.mends for step in read.steps] == [False, True, True, False]
    assert read.steps[3].rule == "unopened"
    assert read.first_error == 3


def test_wait_takes_back_a_dead_end_and_an_answer():
    steps = ["Ash-Dale.", "Dale is a dead end.", "Wait, Dale-Elm.", "The answer is Ash via Dale via Elm to Glen."]
    steps += ["Wait, Elm-Glen.", "The answer is Ash to Glen.", "Wait, the answer is Ash via Dale via Elm to Glen."]
    read = verdict(PROBLEM, steps)
    assert [step.mark for step in read.steps] == [RIGHT, WRONG, RIGHT, WRONG, RIGHT, WRONG, RIGHT]
    assert read.process is RIGHT


def test_there_is_nothing_to_take_back_at_the_start():
    [first] = graded(PROBLEM, ["Wait, Ash-Dale."])
    assert (first.mark, first.mends) == (RIGHT, False)


@pytest.mark.parametrize(
    "step",
    [
        "",
        "   ",
        "From Ash we go to Dale.",
        "Ash to Dale to Elm.",
        "Ash-Dale-Elm.",
        "Ash-Dale. Dale-Elm.",
        "Ash to Dale\nDale to Elm",
        "Back to Ash.",
        "Ash to nowhere.",
        "ash to dale.",
        "Wait, ash.",
        "Wait,",
        "Bay is a dead end, I think.",
        "The answer is B.",
        "The answer is Glen.",
        "The answer is Ash via Dale.",
        "The answer is Ash, Dale, Elm, Glen.",
        "The answer is Ash" + " via Dale" * 5_000 + " to Glen.",
        "Ash to " + "D" + "a" * 50_000 + ".",
        "<script>Ash-Dale.</script>",
        "\x00",
        "\ud800",
    ],
)
def test_what_cannot_be_read_is_unknown(step):
    assert marks([step]) == [UNKNOWN]


def test_a_known_place_that_is_not_on_this_map_has_no_roads():
    assert marks(["Ash-Wood.", "Wood-Glen.", "Wood is a dead end."]) == [WRONG, WRONG, RIGHT]
    assert marks(["Wood-Ash.", "Narnia-Ash."]) == [WRONG, UNKNOWN]


def test_a_remark_changes_nothing():
    steps = ["Let me see.", "Ash-Dale.", "Good.", "Dale-Glen.", "Ash-Dale."]
    assert marks(steps) == [UNKNOWN, RIGHT, UNKNOWN, WRONG, WRONG]


def test_what_an_unread_step_may_have_opened_is_not_called_wrong():
    way = "The answer is Ash via Dale via Elm to Glen."
    assert marks(["First I go to Dale.", "Dale-Elm.", "Elm-Glen.", way])[1:] == [UNKNOWN, RIGHT, RIGHT]
    assert marks(["Ash-Dale.", "There I see Elm and Farm.", "Dale-Elm."])[2] is RIGHT
    assert marks(["Ash-Dale.", "There I see Elm and Farm.", "Dale is a dead end."])[2] is UNKNOWN
    assert marks(["It is Ash, Dale, Elm, Glen.", way]) == [UNKNOWN, UNKNOWN]
    assert marks(["There I see Elm and Farm.", "Cliff-Bay."])[1] is WRONG
    assert marks(["There I see Elm and Farm.", "Ash-Elm."])[1] is WRONG
    reached = ["Ash-Cliff.", "Here Dale and Elm come next.", "Elm-Glen."]
    assert marks([*reached, way])[2:] == [UNKNOWN, RIGHT]
    assert marks([*reached, "The answer is Ash via Cliff to Glen."])[3] is WRONG


def test_an_unread_second_thought_may_have_taken_a_step_back():
    assert marks(["Ash-Dale.", "Wait, that is wrong.", "Ash-Dale.", "Ash-Dale."])[2:] == [RIGHT, WRONG]


def test_letters_are_read_where_there_are_options_and_ways_where_there_are_none():
    there = ["Ash-Dale.", "Dale-Elm.", "Elm-Glen."]
    read = {letter: marks([*there, f"The answer is {letter}."], CHOICE)[-1] for letter in LETTERS}
    assert read == {"A": WRONG, "B": RIGHT, "C": WRONG, "D": WRONG}
    assert graded(CHOICE, [*there, "The answer is C."])[-1].hint == "The answer is B."
    assert marks(["The answer is B."], CHOICE) == [UNKNOWN]  # a bare answer breaks no step
    assert marks(["Ash-Dale.", "The answer is B."], CHOICE) == [RIGHT, WRONG]
    assert marks([*there, "The answer is Ash via Dale via Elm to Glen."], CHOICE)[-1] is UNKNOWN
    assert marks([*there, "The answer is B."], PROBLEM)[-1] is UNKNOWN


def test_after_an_error_the_option_that_follows_from_it_is_right_and_if_there_is_none_none_is_wrong():
    assert marks(["Ash-Dale.", "Dale-Glen.", "The answer is C."], CHOICE) == [RIGHT, WRONG, RIGHT]
    assert marks(["Ash-Dale.", "Dale-Glen.", "The answer is B."], CHOICE) == [RIGHT, WRONG, WRONG]
    assert marks(["Ash-Glen.", "The answer is B."], CHOICE) == [WRONG, UNKNOWN]


# Attempts of any kind: steps over the places of a map, in words that are understood, and remarks between them.


@st.composite
def walks(draw):
    problem = drawn(draw(SEEDS), draw(st.sampled_from([2, 3, 5])), draw(st.booleans()))
    on = Map(problem.facts)
    roads = [pair for road in problem.facts["roads"] for pair in (tuple(road), tuple(road[::-1]))]
    place, mends = st.sampled_from([*on.roads, "Wood"]), st.booleans()
    ways = st.sampled_from([on.way(on.goal), *near_misses(on, np.random.default_rng(0))])
    answers = st.sampled_from([(letter,) for letter in on.options]) if on.options else ways
    steps = st.one_of(
        st.builds(Step, st.just("open"), st.sampled_from(roads) | st.tuples(place, place), mends),
        st.builds(Step, st.just("dead end"), st.tuples(place), mends),
        st.builds(Step, st.just("answer"), answers, mends),
    ).map(Step.sentence)
    remarks = st.sampled_from(["Hmm.", "Wait, no.", f"Now {on.goal}."])
    walk = draw(st.lists(steps | remarks, max_size=12))
    # Half of the walks go on from a sound beginning, where more can go wrong.
    return problem, [*solution_steps(problem)[: draw(st.integers(0, 6))], *walk]


@given(walks())
@settings(max_examples=150)
def test_every_hint_is_a_right_step(walk):
    problem, steps = walk
    for end, step in enumerate(graded(problem, steps), 1):
        if step.hint:
            hint = step.hint.replace("The", "the")
            assert marks([*steps[:end], f"Wait, {hint}"], problem)[-1] is RIGHT


@given(walks())
@settings(max_examples=150)
def test_an_attempt_that_is_right_throughout_has_the_right_answer(walk):
    problem, steps = walk
    if verdict(problem, steps).process is RIGHT and "he answer is" in steps[-1]:
        assert steps[-1].endswith(f"he answer is {problem.answer}.")


@given(walks(), st.data())
def test_a_prefix_is_graded_as_in_the_whole(walk, data):
    problem, steps = walk
    cut = data.draw(st.integers(0, len(steps)))
    assert graded(problem, steps[:cut]) == graded(problem, steps)[:cut]


@given(st.text())
def test_any_text_gets_a_mark(text):
    assert graded(PROBLEM, [text])[0].mark in Mark


def test_the_verifier_keeps_its_promises():
    check_verifier(FAMILY, [drawn(0, 4), drawn(0, 4, multiple_choice=True)])


# The outcome.


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("The answer is Ash via Dale via Elm to Glen.", RIGHT),
        ("The answer is B. Wait, the answer is Ash via Dale via Elm to Glen.", RIGHT),
        ("the answer is: ash via dale via elm to glen", RIGHT),
        ("\\boxed{Ash via Dale via Elm to Glen}", RIGHT),
        ("The answer is Ash via Dale to Glen.", WRONG),
        ("The answer is Ash via Dale via Farm via Elm to Glen.", WRONG),
        ("The answer is Ash via Cliff to Bay.", WRONG),
        # Too short and too long a way: no beginnings of one another.
        ("The answer is Ash via Dale to Elm.", WRONG),
        ("The answer is Ash to Dale.", WRONG),
        ("The answer is Ash via Dale via Elm via Glen to Bay.", WRONG),
        # Not a whole way, or more than one.
        ("The answer is Ash via Dale.", UNKNOWN),
        ("The answer is Ash via Dale via Elm to Glen, or not.", UNKNOWN),
        ("Ash-Dale. Dale-Elm. Elm-Glen.", UNKNOWN),
    ],
)
def test_outcome_verification_reads_ways(text, mark, outcome):
    assert outcome(PROBLEM, text) is mark


@pytest.mark.parametrize(
    ("text", "mark"),
    [
        ("The answer is B.", RIGHT),
        ("The answer is (B).", RIGHT),
        ("The answer is B: Ash via Dale via Elm to Glen.", RIGHT),
        ("The answer is C.", WRONG),
        ("Elm-Glen.", UNKNOWN),
    ],
)
def test_outcome_verification_reads_letters(text, mark, outcome):
    assert outcome(CHOICE, text) is mark


def test_no_wrong_answer_of_the_answer_space_is_unknown(outcome):
    rng = np.random.default_rng(0)
    for problem in FAMILY.generate(100, rng=rng, lengths=LENGTHS):
        on = Map(problem.facts)
        others = [*near_misses(on, rng), *(on.way(place) for place in on.roads if place not in (on.start, on.goal))]
        assert {outcome(problem, f"The answer is {in_words(way)}.") for way in others} == {WRONG}


def test_a_study_file_names_it():
    assert part("family", "route") is part("step verifier", "route") is Route
