import threading
import time

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.errors import ModelError
from counterform.guard import HINT, HINT_AS_STEP, RULE, Guard, Note
from counterform.models.scripted import ScriptedModel
from counterform.problems.desk import Desk
from counterform.problems.ledger import Ledger
from counterform.problems.route import Route
from counterform.problems.sorting_out import SortingOut
from counterform.testing import HOSTILE
from counterform.text.steps import Splitter
from counterform.types import Completion, Mark, Model, StepVerdict, StepVerifier, Watch
from counterform.verify.steps import grade_steps

PROBLEMS = Ledger().generate(20, rng=np.random.default_rng(0), lengths=(3, 4, 5))
PLANTED = [(p, e) for at, p in enumerate(PROBLEMS) for e in Ledger().plant_errors(p, rng=np.random.default_rng(at))]
ASK = {"n": 1, "seed": 0, "temperature": 1.0, "max_tokens": 400}
POLICIES = [
    {"on_violation": "stop"},
    {"on_violation": "retry"},
    {"on_violation": "retry", "check": "the end"},
    {"on_violation": "cut back"},
    {"on_violation": "cut back", "note": RULE},
    {"on_violation": "cut back", "note": HINT},
    {"on_violation": "cut back", "note": HINT_AS_STEP},
]


def guarded(answer, problem, verifier=None, ask=ASK, **options):
    model = ScriptedModel(answer)
    guard = Guard(verifier or Ledger(), **options)
    [[found]] = guard.around(model, [problem]).answer([problem.prompt], **ask)
    return found, model


def always(text):
    """A model that says this from the start, and after a cut goes on with the same words as before."""
    return lambda prompt, call: text


def then(*texts):
    return lambda prompt, call: texts[min(call, len(texts) - 1)]


def cut(text):
    splitter = Splitter()
    return [*splitter.feed(text), *splitter.close()]


def wrong_steps(problem, text):
    return [step for step in grade_steps(Ledger(), problem, text) if step.mark is Mark.WRONG]


@pytest.mark.parametrize("options", POLICIES)
def test_a_sound_text_passes_untouched_in_one_call(options):
    for problem in PROBLEMS:
        found, model = guarded(always(problem.solution), problem, **options)
        words = len(problem.solution.split())
        assert found.completion == Completion(text=problem.solution, tokens=words, finish="stop")
        assert (found.refused, found.interventions, found.calls, len(model.calls)) == (False, (), 1, 1)
        assert found.steps == problem.solution.count(".")


@pytest.mark.parametrize("options", POLICIES)
def test_what_a_stubborn_model_repeats_never_passes(options):
    for problem, error in PLANTED:
        found, _ = guarded(always(error.text), problem, **options, interventions=3)
        assert not wrong_steps(problem, found.completion.text), (problem, error, found)
        if options.get("note") is not HINT_AS_STEP:
            assert found.refused
            assert found.completion.finish == "length"
            assert found.interventions[0].rule
        assert problem.solution.startswith(found.completion.text) or found.told_steps


def test_stops_before_the_next_step():
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    found, model = guarded(always(error.text), problem, on_violation="stop")
    assert found.completion.text == problem.solution[: problem.solution.index(".") + 1]
    assert len(model.calls) == 1
    [step] = found.interventions
    assert (step.at, step.mark) == (len(found.completion.text) + 1, Mark.WRONG)
    assert step.hint in problem.solution
    # Two steps, and the one word behind them that shows that the second has ended.
    assert found.completion.tokens == len(f"{found.completion.text} {step.step}".split()) + 1


def test_cuts_back_and_goes_on():
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    first, rest = problem.solution.split(". ", 1)
    found, model = guarded(then(error.text, f" {rest}"), problem)
    assert (found.completion.text, found.refused, found.calls) == (problem.solution, False, 2)
    assert model.calls[1] == (f"{problem.prompt}{first}.", 1)
    assert found.completion.tokens > len(problem.solution.split())


def test_the_model_sees_the_note_and_the_answer_does_not():
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    first, rest = problem.solution.split(". ", 1)
    found, model = guarded(then(error.text, rest), problem, note=HINT)
    shown = model.calls[1][0]
    step = found.interventions[0]
    assert (
        shown
        == f"{problem.prompt}{first}.\n[Refused: {step.step} It breaks the rule: arithmetic. Hint: {step.hint} Write this step again.]\n"
    )
    assert (found.completion.text, found.told) == (
        f"{first}.\n{rest}",
        len(shown.split()) - len(f"{problem.prompt}{first}.".split()),
    )
    twice, model = guarded(then(error.text, "0 + 1 = 7. 1 + 1 = 3.", rest), problem, note=RULE)
    assert model.calls[2][0].count("[Refused") == 1
    assert twice.completion.text == f"{first}.\n{rest}"


def test_notes_at_several_places_are_all_left_out():
    problem = next(p for p in PROBLEMS if p.solution.count(".") == 6)
    steps = [f"{step}." for step in problem.solution.rstrip(".").split(". ")]
    bad = "1 + 1 = 3. And"

    def answer(prompt, call):
        return bad if call == 0 else f"{steps[call - 1]} {bad}" if call < len(steps) else steps[call - 1]

    found, model = guarded(answer, problem, note=Note("\n({step} is wrong)\n"))
    assert model.calls[-1][0].count("is wrong") == len(steps)
    assert found.completion.text == "\n".join(steps)
    assert (found.refused, found.steps, len(found.interventions)) == (False, len(steps), len(steps))


def test_the_hint_as_a_step_solves_what_the_model_cannot():
    for problem, error in PLANTED:
        if error.kind == "unfinished":
            continue
        steps = [f" {step}." for step in problem.solution.rstrip(".").split(". ")]

        def answer(prompt, call, problem=problem, steps=steps):
            done = prompt[len(problem.prompt) :].count(".")
            return "".join([" 1 + 1 = 3. And"] if done == 0 else steps[done:])

        found, _ = guarded(answer, problem, note=HINT_AS_STEP, interventions=20)
        assert found.completion.text.split() == problem.solution.split()
        assert (found.refused, found.told_steps) == (False, 1)


def test_only_reports():
    for problem, error in PLANTED:
        found, model = guarded(always(error.text), problem, on_violation="report")
        assert (found.completion.text, found.refused, len(model.calls)) == (error.text, False, 1)
        assert [step.rule for step in found.interventions] == [s.rule for s in wrong_steps(problem, error.text)]


def test_tells_and_does_not_stop():
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    found, _ = guarded(
        then(error.text, " The answer is 1."),
        problem,
        on_violation="report",
        note=Note(" Wait, {hint}", stays=True),
        interventions=1,
    )
    assert wrong_steps(problem, found.completion.text)
    assert found.completion.text.count("Wait,") == 1
    assert not found.refused
    assert found.told_steps == 1


@pytest.mark.parametrize("options", POLICIES[1:])
def test_when_the_tokens_end_the_answer_is_refused(options):
    problem, error = PLANTED[0]
    found, _ = guarded(always(error.text), problem, **options, interventions=10_000, tokens=200)
    assert found.completion.tokens <= 200
    if options.get("note") is not HINT_AS_STEP:
        assert found.refused
    assert not wrong_steps(problem, found.completion.text)


class Broken(StepVerifier, Watch):
    """Crashes, hangs, or talks nonsense at the second step."""

    name = "broken"

    def __init__(self, how):
        self.how, self.steps = how, 0

    def start(self, problem):
        return Broken(self.how)

    def feed(self, step):
        self.steps += 1
        if self.steps == 2:
            if self.how == "crash":
                raise RecursionError("deep")
            if self.how == "hang":
                time.sleep(0.5)
            return self.how
        return StepVerdict(mark=Mark.RIGHT, rule="fine")


@pytest.mark.parametrize("how", ["crash", "hang", "nonsense"])
def test_a_verifier_that_fails_is_unknown_and_follows_the_policy(how):
    text, problem = "One. Two. Three. Four.", PROBLEMS[0]
    found, _ = guarded(always(text), problem, Broken(how), seconds=0.05, on_unknown="pass")
    assert (found.completion.text, found.refused, found.failures, found.passed_unknown) == (text, False, 3, 3)
    found, _ = guarded(always(text), problem, Broken(how), seconds=0.05, on_unknown="refuse", on_violation="stop")
    assert (found.completion.text, found.refused, found.failures) == ("One.", True, 1)
    assert found.interventions[0].mark is Mark.UNKNOWN


@pytest.mark.parametrize("bounded", [True, False])
def test_a_bounded_verifier_is_asked_at_once_and_may_fail_like_any_other(bounded):
    class Here(Broken):
        def start(self, problem):
            return Here(self.how)

        def feed(self, step):
            threads.add(threading.get_ident())
            return super().feed(step)

    Here.bounded, threads = bounded, set()
    found, _ = guarded(always("One. Two. Three."), PROBLEMS[0], Here("crash"))
    assert (found.failures, found.passed_unknown) == (2, 2)
    assert (threads == {threading.get_ident()}) == bounded


def test_a_verifier_that_always_hangs_does_not_fill_the_process_with_threads():
    found, _ = guarded(
        always("a. " * 40), PROBLEMS[0], Broken("hang"), seconds=0.01, on_unknown="refuse", interventions=30
    )
    assert found.refused


def test_unknown_prompts_make_the_verifier_fail_and_not_the_guard():
    model = Guard(Ledger(), on_unknown="refuse", on_violation="stop").around(ScriptedModel(always("2 + 2 = 4. So.")))
    [[found]] = model.answer(["What?"], **ASK)
    assert (found.refused, found.completion.text, found.failures) == (True, "", 1)


class NeverStarts(StepVerifier):
    name = "never"

    def __init__(self, how):
        self.how = how

    def start(self, problem):
        if self.how == "hang":
            time.sleep(0.5)
        if self.how == "raise":
            raise OSError("no model of the verifier's")
        return self.how


@pytest.mark.parametrize("how", ["raise", "hang", None, "nonsense"])
@pytest.mark.parametrize("options", POLICIES)
def test_what_no_verifier_looks_at_is_not_accepted(how, options):
    problem, error = PLANTED[0]
    found, model = guarded(always(error.text), problem, NeverStarts(how), on_unknown="pass", seconds=0.05, **options)
    assert (found.refused, found.completion, found.failures) == (
        True,
        Completion(text="", tokens=0, finish="length"),
        1,
    )
    assert [(one.rule, one.mark) for one in found.interventions] == [("the verifier did not start", Mark.UNKNOWN)]
    assert model.calls == []


class StartsOnce(Ledger):
    """Starts, and not again behind a cut."""

    started = 0

    def start(self, problem):
        self.started += 1
        if self.started > 1:
            raise OSError("gone")
        return super().start(problem)


@pytest.mark.parametrize("options", POLICIES[1:])
def test_a_verifier_that_does_not_start_again_lets_nothing_more_pass(options):
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    found, _ = guarded(then(error.text, " 2 + 2 = 5. So it is."), problem, StartsOnce(), on_unknown="pass", **options)
    assert found.refused
    assert "2 + 2 = 5" not in found.completion.text
    assert "the verifier did not start" in [one.rule for one in found.interventions]


def test_of_a_batch_only_what_can_be_verified_is_written():
    model = ScriptedModel(lambda prompt, call: next((p.solution for p in PROBLEMS if p.prompt == prompt), "2 + 2 = 5."))
    found = (
        Guard(Ledger())
        .around(model, PROBLEMS[:2])
        .answer([PROBLEMS[0].prompt, "What?", PROBLEMS[1].prompt], **{**ASK, "n": 2})
    )
    assert [[one.refused for one in row] for row in found] == [[False] * 2, [True] * 2, [False] * 2]
    assert [row[0].completion.text for row in found] == [PROBLEMS[0].solution, "", PROBLEMS[1].solution]
    assert "Give `around` the problem" in found[1][0].interventions[0].hint


def test_a_forgotten_problem_is_told_where_nothing_is_stopped():
    [[found]] = Guard(Ledger(), "report").around(ScriptedModel(always("2 + 2 = 5. So."))).answer(["What?"], **ASK)
    assert (found.refused, found.completion.text) == (False, "2 + 2 = 5. So.")
    assert found.interventions[0].rule == "the verifier did not start"
    assert found.failures


def test_a_prompt_is_known_by_its_words_whatever_stands_around_them():
    problem, error = PLANTED[0]
    model = ScriptedModel(always(error.text))
    [[found]] = Guard(Ledger(), "stop").around(model, [problem]).answer([f"\n{problem.prompt}\n"], **ASK)
    assert found.interventions[0].rule != "the verifier did not start"
    assert not wrong_steps(problem, found.completion.text)


@pytest.mark.parametrize("family", [Ledger, SortingOut, Route, Desk])
def test_an_unread_sentence_before_the_answer_does_not_blind_the_answers_check(family):
    for seed, problem in enumerate(family().generate(10, rng=np.random.default_rng(1))):
        for error in family().plant_errors(problem, rng=np.random.default_rng(seed)):
            if error.kind != "answer":
                continue
            steps = [step.text for step in cut(error.text)]
            for kept in range(1, len(steps)):
                text = " ".join([*steps[:kept], "Hmm, let me think about it.", steps[-1]])
                found, _ = guarded(always(text), problem, family(), on_violation="stop")
                assert found.refused, text
                assert steps[-1] not in found.completion.text


def test_an_unread_step_may_lead_to_the_right_answer():
    problem = PROBLEMS[0]
    steps = [step.text for step in cut(problem.solution)]
    text = " ".join([*steps[:-2], "The last operation is easy.", steps[-1]])
    found, _ = guarded(always(text), problem, on_violation="stop")
    assert (found.refused, found.completion.text, found.passed_unknown) == (False, text, 2)


class FewWords(ScriptedModel):
    """Has never read an English word of more than six letters."""

    def unread_words(self, text):
        return " ".join(word for word in text.split() if len(word) > 6)


def test_a_note_that_the_model_never_read_is_refused():
    with pytest.raises(ModelError, match="has no words for the note, it cannot read: \\[Refused:"):
        Guard(Ledger(), note=HINT).around(FewWords(always("x")))
    Guard(Ledger(), note=Note(" No: {hint} ")).around(FewWords(always("x")))


def test_what_is_filled_into_a_note_and_was_never_read_is_not_told_and_counted():
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    model = FewWords(then(error.text, " " + problem.solution.split(". ", 1)[1]))
    [[found]] = Guard(Ledger(), note=Note(" No: {rule} ")).around(model, [problem]).answer([problem.prompt], **ASK)
    assert (found.untold, found.told, found.refused) == (1, 0, False)
    assert "No:" not in model.calls[1][0]


def test_a_call_that_fails_is_an_error_and_no_answer():
    found, _ = guarded(lambda prompt, call: None, PROBLEMS[0])
    assert (found.completion, found.refused) == (Completion(text="", tokens=0, finish="error"), True)


def test_options_are_checked():
    with pytest.raises(ValueError, match="Did you mean 'cut back'"):
        Guard(Ledger(), "cutback")
    with pytest.raises(ValueError, match="nothing is told"):
        Guard(Ledger(), "stop", note=HINT)
    with pytest.raises(ValueError, match="alone"):
        Guard(Ledger(), note=Note("{nothing}"))

    class Deaf(Model):
        name = "deaf"

        def generate(self, prompts, **options):
            raise AssertionError("it is asked nothing")

    with pytest.raises(ModelError, match="cannot be read along"):
        Guard(Ledger()).around(Deaf())


def test_a_verified_step_is_not_written_on():
    """A cut at `17.` and `5 ...` behind it would make another number of what was verified."""
    problem, error = next((p, e) for p, e in PLANTED if e.kind == "arithmetic" and e.first_error == 1)
    found, _ = guarded(then(error.text, "5 and so on. Well"), problem, interventions=2)
    assert found.refused
    assert found.completion.text == problem.solution[: problem.solution.index(".") + 1]
    assert "written on" in found.interventions[1].rule


LOOKALIKES = [
    "1 + 1 = 3 . Next",  # fullwidth full stop is no end of a sentence
    "𝟏 + 𝟏 = 𝟑. Next one.",
    "<think><think>1 + 1 = 3.</think></think> More.",
    "<answer><think>1 + 1 = 3. 2 + 2 = 5.</answer> More.",
    "<tool_call>1 + 1 = 3. <tool_call> 1 + 1 = 3.</tool_call> More.",
    "1 + 1 = 3.\u200b Next.",
    "1 + 1\u00a0= 3. Next.",
    "\u202e1 + 1 = 3.\u202c Next.",
    "x" * 1_000_000,
    "1 + 1 = 3 " * 1_000,
    "1 + 1 = 3." * 1_000,
]


@pytest.mark.parametrize("text", [*LOOKALIKES, *HOSTILE], ids=lambda text: text[:12])
def test_hostile_text_is_refused_where_only_what_is_known_may_pass(text):
    ask = {**ASK, "max_tokens": 100_000}
    found, _ = guarded(always(text), PROBLEMS[0], on_unknown="refuse", on_violation="stop", ask=ask)
    assert found.completion.text == ""
    assert found.refused or not text.strip()
    found, _ = guarded(always(text), PROBLEMS[0], on_unknown="pass", on_violation="stop", ask=ask)
    assert not wrong_steps(PROBLEMS[0], found.completion.text)


class OddNumbersOnly(StepVerifier, Watch):
    """Steps are numbers; even ones are wrong."""

    name = "odd"

    def start(self, problem):
        return self

    def feed(self, step):
        digits = "".join(c for c in step if c in "0123456789")
        mark = Mark.UNKNOWN if not digits else Mark.RIGHT if int(digits[-1]) % 2 else Mark.WRONG
        return StepVerdict(mark=mark, rule="odd", hint="7.")


@given(
    parts=st.lists(
        st.lists(st.sampled_from(["1.", "3.", "2.", "5", ".", "\n", " ", "a.", "<think>", "”", "4! "]), max_size=8),
        min_size=1,
        max_size=4,
    ),
    policy=st.sampled_from([*POLICIES, {"on_violation": "cut back", "note": Note(" <{step}>\n")}]),
    unknown=st.sampled_from(["pass", "refuse"]),
    limits=st.tuples(st.integers(1, 12), st.integers(1, 30), st.integers(0, 4)),
)
def test_no_wrong_step_is_ever_in_an_answer(parts, policy, unknown, limits):
    texts = ["".join(part) for part in parts]
    max_tokens, tokens, interventions = limits
    options = {**policy, "on_unknown": unknown, "tokens": tokens, "interventions": interventions}
    found, _ = guarded(then(*texts), PROBLEMS[0], OddNumbersOnly(), {**ASK, "max_tokens": max_tokens}, **options)
    marks = [step.mark for step in grade_steps(OddNumbersOnly(), PROBLEMS[0], found.completion.text)]
    assert Mark.WRONG not in marks
    assert found.completion.tokens <= tokens
    assert len(found.interventions) <= interventions + 1
