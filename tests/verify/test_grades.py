from __future__ import annotations

import subprocess
import sys

import counterform
from counterform.types import Mark
from counterform.verify.grades import Grader, Row, RowGrade, Summary, form

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


def test_one_response():
    graded = counterform.grade("18", "9 * 2 = 19. The answer is 19.", prompt="How many?")
    assert (graded.strict, graded.lenient, graded.stated, graded.reason) == (W, W, "19", "")
    assert [(step.mark, step.start, step.end) for step in graded.steps] == [(W, 0, 11), (U, 12, 29)]
    assert graded.steps[0].hint == "9 * 2 = 18."


def test_unknown_has_its_reason():
    graded = counterform.grade("18", "so it must be 18")
    assert (graded.strict, graded.lenient, graded.stated) == (U, R, None)
    assert graded.reason == "no answer is stated"


def test_rows_keep_their_order():
    with Grader() as grader:
        grades = grader([Row(answer=str(n), response=f"The answer is {2 * n}.") for n in range(3)])
    assert [grade.strict for grade in grades] == [R, W, W]


def test_a_summary_counts_and_lists_opposites_alone():
    found = Summary()
    rows = [("18", "The answer is 18.", R), ("18", "The answer is 19.", R), ("18", "it may be 17", W), ("18", "no", U)]
    with Grader() as grader:
        for line, (answer, response, recorded) in enumerate(rows, 1):
            row = Row(answer=answer, response=response, recorded=recorded)
            found.add(line, row, grader([row])[0])
    found.add(5, None, RowGrade(strict=U, lenient=U, reason="no `answer`"))
    assert found.rows == 5
    assert found.strict == {R: 1, W: 1, U: 3}
    assert found.against == {(R, R): 1, (R, W): 1, (W, U): 1}
    assert [(one.line, one.stated, one.recorded, one.strict) for one in found.disagreements] == [(2, "19", R, W)]
    assert found.reasons == {"no answer is stated": 2, "no `answer`": 1}
    assert found.unread == {"it may be 00": 1, "no": 1}


def test_a_form_is_short_and_without_its_digits():
    assert form("first\nabout 1,234 or so\n", None) == "about 0,000 or so"
    assert form("x", "12 " * 100) == "00 " * 20


def test_no_heavy_library_is_needed():
    blocked = "torch", "transformers", "trl", "math_verify", "sympy", "mpmath"
    code = (
        "import sys\n"
        f"sys.modules.update(dict.fromkeys({blocked}))\n"
        "import counterform\n"
        "print(counterform.grade('18', 'The answer is 18.').strict.value)"
    )
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "right"
