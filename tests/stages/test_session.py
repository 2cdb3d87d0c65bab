"""What probes of one model share."""

from counterform.stages.probe import Items, Session
from counterform.stages.probed import probed
from counterform.stages.work import Work
from counterform.store import RunDir
from counterform.types import Attempt, Completion


def attempt(problem, text, name="a"):
    return Attempt(
        id=name, problem_id=problem.id, model="m", seed=0, completion=Completion(text=text, tokens=1, finish="stop")
    )


def test_a_grade_is_remembered_by_what_was_graded_and_not_by_a_name(study, tmp_path):
    """Two probes may give one id to two texts: a prompt that was put in other words is another question."""
    import counterform

    counterform.run(study, tmp_path, until="verify")
    work = Work(study, RunDir(tmp_path), print)
    session = Session(work, Items(work), probed(work)[0], 0)
    problem = work.problems("held_out")[0]
    right, wrong = f"The answer is {problem.answer}.", "The answer is -1."
    [first] = session.bench.grade([attempt(problem, right)])
    [second] = session.bench.grade([attempt(problem, wrong)])
    [third] = session.bench.grade([attempt(problem, right, "b")])
    assert [g.attempt.completion.text for g in (first, second, third)] == [right, wrong, right]
    assert [g.verdict.outcome.value for g in (first, second, third)] == ["right", "wrong", "right"]
    assert [g.verdict.attempt_id for g in (first, second, third)] == ["a", "a", "b"]
    assert session.shown == [first, second, third]


def test_the_same_text_is_graded_once(study, tmp_path, monkeypatch):
    import counterform

    counterform.run(study, tmp_path, until="verify")
    work = Work(study, RunDir(tmp_path), print)
    session = Session(work, Items(work), probed(work)[0], 0)
    problem, graded, real = work.problems("held_out")[0], [], work.grade
    monkeypatch.setattr(work, "grade", lambda attempts, problems: graded.extend(attempts) or real(attempts, problems))
    session.bench.grade([attempt(problem, "The answer is 1.", name) for name in "abc"])
    session.bench.grade([attempt(problem, "The answer is 1.", "d")])
    assert len(graded) == 1
