from counterform.bench import Bench
from counterform.models.scripted import ScriptedModel
from counterform.probes.drafts import Drafts
from counterform.probes.find_error import label
from counterform.study import ProbeSpec
from counterform.testing import check_probe
from counterform.types import Mark


def probe(grade):
    return Drafts(Bench(spec=ProbeSpec(), grade=grade))


def dragged(items, by):
    """Solves every problem, but where `by` says so of what stands before it."""
    prompts = {problem.prompt: problem for problem in items.problems}

    def answer(prompt, _):
        before, _, asked = prompt.rpartition("\n\n")
        problem = prompts[asked]
        return "The answer is 0." if by(before, problem) else problem.solution

    return ScriptedModel(answer)


def means(readings, metric):
    found = {}
    for reading in readings:
        if reading.metric == metric:
            found.setdefault(reading.condition, []).append(reading.value)
    return {condition: sum(values) / len(values) for condition, values in found.items()}


def test_promises(grade, items):
    check_probe(probe(grade), dragged(items, lambda before, problem: False), items)


def test_each_condition_shows_what_it_says(grade, items):
    """Dragged down by any draft of its own problem that is not called wrong: `present` alone."""
    model = dragged(items, lambda before, problem: before.startswith(problem.prompt) and "is wrong" not in before)
    readings = probe(grade)(model, items, arm="one", seed=0)
    assert means(readings, "right") == {"absent": 1.0, "present": 0.0, "labelled": 1.0, "irrelevant": 1.0}
    assert means(readings, "drag") == {"present": -1.0, "labelled": 0.0, "irrelevant": 0.0}
    wrong = [graded.attempt.id for graded in items.attempts if label(graded) != -1]
    assert [r.item_id for r in readings if (r.metric, r.condition) == ("drag", "labelled")] == wrong


def test_an_irrelevant_draft_is_of_another_problem(grade, items):
    model = dragged(items, lambda before, problem: bool(before) and not before.startswith(problem.prompt))
    readings = probe(grade)(model, items, arm="one", seed=0)
    assert means(readings, "drag") == {"present": 0.0, "labelled": 0.0, "irrelevant": -1.0}


def test_what_was_not_heard_and_what_was_not_read(grade, items):
    silent = ScriptedModel(lambda prompt, _: "" if "\n\n" in prompt else "I cannot say.")
    readings = probe(grade)(silent, items, arm="one", seed=0)
    assert {r.mark for r in readings} == {Mark.UNKNOWN}
    assert {r.value for r in readings if r.metric == "drag"} <= {0.0, None}
