from __future__ import annotations

import sys
import time
from fractions import Fraction

import pytest
from hypothesis import given
from hypothesis import strategies as st

from counterform.types import Mark, Problem
from counterform.verify import symbolic
from counterform.verify.answer import Answers, answer_key, stated_answer
from counterform.verify.symbolic import SymbolicPool

R, W, U = Mark.RIGHT, Mark.WRONG, Mark.UNKNOWN


@pytest.fixture(scope="module")
def answers():
    with Answers(5.0, workers=1) as verifier:
        yield verifier


def grade(answers: Answers, key: str, text: str) -> tuple[Mark, Mark]:
    (verdict,) = answers([(Problem(id="p", prompt="?", answer=key), text)])
    assert U not in (verdict.strict, verdict.lenient) or verdict.reason
    return verdict.strict, verdict.lenient


@pytest.mark.parametrize(
    ("text", "stated"),
    [
        ("7 + 5 = 12. The answer is 12.", "12"),
        ("The answer is 3.5. Bye.", "3.5"),
        ("the final answer is: **18**.", "18"),
        ("#### 1,200", "1,200"),
        (r"So \boxed{\frac{1}{2}} it is", r"\frac{1}{2}"),
        ("A: 18", "18"),
        ("Answer: Paris", "Paris"),
        ("**Answer:**\n18 eggs", "18 eggs"),
        ("The answer is 5. No: the answer is 6.", "6"),
        ("The answer is 5. \\boxed{6", "5"),
        ("The answer is", None),
        ("Plan A: go", None),
        ("it is 18", None),
        ("", None),
    ],
)
def test_stated_answer(text, stated):
    assert stated_answer(text) == stated


@pytest.mark.parametrize(
    "key", ["18", " 18 ", "9 * 2 = <<9*2=18>>18\n#### 18", "so\nA: 18", r"\boxed{18}", "The answer is 18."]
)
def test_answer_key_may_be_a_whole_solution(key):
    assert answer_key(key) == "18"


@pytest.mark.parametrize(
    ("key", "text", "marks"),
    [
        ("18", "The answer is 18.", (R, R)),
        ("18", "The answer is 19.", (W, W)),
        ("18", "so it must be 18", (U, R)),
        ("18", "first 18, then 19", (U, W)),
        ("18", "no idea", (U, U)),
        ("18", "", (U, U)),
        ("", "The answer is 18.", (U, U)),
        ("1,200", "The answer is $1200.00.", (R, R)),
        ("18", "A: 018", (R, R)),
        ("18", "The answer is 18 dollars per day.", (R, R)),
        ("18", "The answer is x = 18.", (R, R)),
        ("18", "The answer is 18 or 19.", (U, U)),
        ("18", "The answer is not 18.", (U, U)),
        ("5", "The answer is 5 million.", (U, U)),
        ("18 cm", "The answer is 18 m.", (U, U)),
        ("0.5", "#### 1/2", (R, R)),
        ("0.5", "The answer is 50%.", (R, R)),
        ("50", "The answer is 50%.", (R, R)),
        ("-7", "The answer is −7.", (R, R)),
        ("-7", "5 - 12 = -7", (U, R)),
        ("7", "12-7", (U, R)),
        ("0.1", "The answer is 0.1000000000000000055511151231257827.", (W, W)),
        ("135", "The answer is 1,3,5.", (U, U)),
        ("9" * 80, f"the number {'9' * 80}", (U, R)),
        ("Paris", "The answer is paris.", (R, R)),
        ("Paris", "The answer is London.", (W, W)),
        ("Paris", "The answer is Paris, Texas.", (U, U)),
        ("Dr. Lee", "The answer is Dr. Lee.", (R, R)),
        ("positive", "Positive", (U, R)),
        ("positive", "it is hard to say", (U, U)),
        ("B", "The answer is (B) 12 apples", (R, R)),
        ("(B)", "The answer is C.", (W, W)),
    ],
)
def test_without_math_verify(key, text, marks, monkeypatch):
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
    with Answers(1.0) as answers:
        assert grade(answers, key, text) == marks


@pytest.mark.parametrize(
    ("key", "text", "mark"),
    [
        (r"\frac{1}{2}", r"\boxed{0.5}", R),
        (r"\frac{\pi}{2}", r"The answer is $\pi/2$.", R),
        ("x^2+1", r"The answer is $1+x^2$ for all x.", R),
        ("x^2+1", r"\boxed{x^2+2}", W),
        ("5", r"\boxed{5x}", W),
        (r"\frac{3}{4}", "it is $\\frac{6}{8}$", U),
        ("1,3,5", r"\boxed{5,3,1}", U),
        ("4", r"\boxed{4\sqrt(2)}", W),
        ("1/2004!", r"\boxed{1/2006!}", U),
        ("2", r"\boxed{\frac{}{}+}", U),
    ],
)
def test_symbolic_answers(answers, key, text, mark):
    pytest.importorskip("math_verify")
    assert grade(answers, key, text)[0] is mark


def test_lenient_reads_the_last_formula(answers):
    pytest.importorskip("math_verify")
    assert grade(answers, r"\frac{3}{4}", "it is $\\frac{6}{8}$") == (U, R)


def test_only_what_must_be_is_asked_and_each_pair_once(monkeypatch):
    asked = []
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: asked.extend(pairs) or [(R, "")] * len(pairs))
    problem, plain = Problem(id="p", prompt="?", answer=r"\pi"), Problem(id="q", prompt="?", answer="3")
    verdicts = Answers(1.0)([(problem, r"\boxed{2\pi/2}"), (plain, "The answer is 3."), (problem, r"\boxed{2\pi/2}")])
    assert asked == [(r"\pi", r"2\pi/2")]
    assert [v.strict for v in verdicts] == [R, R, R]


@given(st.integers(-(10**12), 10**12), st.integers(0, 6), st.booleans())
def test_numbers_are_compared_exactly(digits, decimals, off):
    value = Fraction(digits, 10**decimals)
    printed = f"{'-' * (digits < 0)}{abs(digits) // 10**decimals:,}.{abs(digits) % 10**decimals:0{decimals}d}"
    other = value + Fraction(off, 10**12)
    key = f"{other.numerator}/{other.denominator}"
    (verdict,) = Answers(1.0)([(Problem(id="p", prompt="?", answer=key), f"The answer is {printed}.")])
    assert verdict.strict is (W if off else R)


@given(
    st.text(max_size=200),
    st.text(alphabet=st.sampled_from(list("Aanswer is:#\\boxed{}$0123456789.,/%-\n ")), max_size=200),
)
def test_hostile_texts_never_raise(key, text):
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
        Answers(1.0)([(Problem(id="p", prompt="?", answer=key), text)])


@pytest.mark.parametrize(
    "piece",
    [
        "9",
        "1,",
        "\\boxed{",
        "The answer is ",
        "answer is\n",
        "- ",
        "A: ",
        "####",
        "$",
        "1/",
        ".",
        " ",
        "\\text{",
        "a",
        "(",
        "\n",
    ],
)
def test_a_megabyte_of_anything_is_read_quickly(piece, monkeypatch):
    monkeypatch.setattr(SymbolicPool, "check", lambda self, pairs: [(U, "asked")] * len(pairs))
    text = piece * (1_000_000 // len(piece))
    started = time.perf_counter()
    for key in ("18", "x^2", "Paris"):
        Answers(1.0)([(Problem(id="p", prompt="?", answer=key), text)])
    Answers(1.0)([(Problem(id="p", prompt="?", answer=text), "The answer is 3.")])
    assert time.perf_counter() - started < 1


def test_missing_math_verify_is_named_only_when_it_is_needed(monkeypatch):
    monkeypatch.setattr(symbolic, "find_spec", lambda name: None)
    with Answers(1.0) as answers:
        assert grade(answers, "18", "The answer is 18.") == (R, R)
        [verdict] = answers([(Problem(id="p", prompt="?", answer=r"\pi"), r"\boxed{2\pi}")])
        assert (verdict.strict, verdict.lenient) == (U, U)
        assert "pip install 'counterform[math]'" in verdict.reason


@pytest.fixture
def worker(tmp_path, monkeypatch):
    """A worker program that sleeps, hangs, dies or echoes, by what it is asked."""
    program = tmp_path / "symbolic_worker.py"
    program.write_text(
        "import json, os, signal, sys, time\n"
        "for line in sys.stdin:\n"
        "    key, answer = json.loads(line)\n"
        "    if answer == 'die': os._exit(9)\n"
        "    if answer == 'hang': signal.pthread_sigmask(signal.SIG_BLOCK, range(1, 32)); time.sleep(60)\n"
        "    print(json.dumps(['right' if key == answer else 'wrong', str(os.getpid())]), flush=True)\n"
    )
    monkeypatch.setattr(symbolic, "__file__", str(tmp_path / "symbolic.py"))
    monkeypatch.setattr(symbolic, "START_SECONDS", 2.0)
    monkeypatch.setattr(symbolic, "GRACE_SECONDS", 0.2)


@pytest.mark.usefixtures("worker")
def test_a_dead_or_hanging_process_costs_one_answer():
    pytest.importorskip("math_verify")
    pool = SymbolicPool(0.2, workers=2)
    started = time.perf_counter()
    grades = pool.check([("a", "a"), ("a", "die"), ("a", "b"), ("a", "hang"), ("a", "a"), ("a", "die"), ("b", "b")])
    assert [mark for mark, _ in grades] == [R, U, W, U, R, U, R]
    assert "died" in grades[1][1]
    assert "did not stop" in grades[3][1]
    assert time.perf_counter() - started < 10
    pool.close()
    assert pool.check([("a", "a")])[0][0] is R  # it starts again
    pool.close()


def test_a_formula_without_end_is_unknown():
    pytest.importorskip("math_verify")
    with Answers(0.5, workers=1) as answers:
        assert grade(answers, "3", r"\boxed{9^{9^{9^{9}}}}") == (U, U)
        assert grade(answers, "3", r"\boxed{\frac{6}{2}}") == (R, R)


def test_the_main_module_is_not_imported_again(tmp_path):
    pytest.importorskip("math_verify")
    import subprocess

    script = tmp_path / "unguarded.py"
    script.write_text(
        "from counterform.types import Problem\n"
        "from counterform.verify.answer import Answers\n"
        "print('once')\n"
        "print(Answers(5.0)([(Problem(id='p', prompt='?', answer='2'), r'\\boxed{\\sqrt{4}}')])[0].strict.value)\n"
    )
    done = subprocess.run([sys.executable, script], capture_output=True, text=True, timeout=60, check=True)
    assert done.stdout.split() == ["once", "right"]
