"""What makes a study void, and what is only a warning. Guards against a check that stops a sound study, or lets a void one pass."""

import pytest

from counterform.findings.checks import Answers, Level, Looked, checks

SOUND = Answers(n=400, right=200, lenient=210, unknown=10, cut=4, reasons={"no answer is stated": 10})


def found(**changes):
    looked = {
        "pool": SOUND,
        "own": True,
        "base": SOUND,
        "levels": [Level(words="accuracy pass@1", value=0.5, items=100)],
        "cases": 300,
        "cases_wanted": 400,
        "located": {"cft": (140, 150)},
        "mixed": {"grpo": (0.6, 8, 100)},
    } | changes
    return {check.name: check for check in checks(Looked(**looked))}


def answers(**counts):
    return Answers(n=400, **{"right": 100, "lenient": 100} | counts)


def test_a_sound_study_has_nothing_to_say():
    assert {check.state for check in found().values()} == {"sound"}


@pytest.mark.parametrize(
    ("changes", "name", "state", "value"),
    [
        ({"base": answers(right=0, lenient=0)}, "base at the floor", "void", 0.0),
        # It knows and does not say so in the form: that is what a form share is for.
        ({"base": answers(right=0, lenient=200)}, "base at the floor", "warning", 0.0),
        ({"base": answers(right=0, lenient=0), "own": False, "mixed": {}}, "base at the floor", "warning", 0.0),
        ({"base": answers(right=0, lenient=0), "own": False}, "base at the floor", "void", 0.0),
        ({"levels": [Level(words="a", value=0.99, items=100)]}, "base at the ceiling", "void", 0.99),
        (
            {"levels": [Level(words="a", value=0.99, items=100), Level(words="b", value=0.3, items=100)]},
            "base at the ceiling",
            "warning",
            0.99,
        ),
        ({"pool": answers(unknown=220)}, "UNKNOWN among the attempts", "void", 0.55),
        ({"pool": answers(unknown=60)}, "UNKNOWN among the attempts", "warning", 0.15),
        # A base that says nothing readable may learn to.
        ({"base": answers(unknown=300)}, "UNKNOWN among the base's answers", "warning", 0.75),
        ({"pool": answers(cut=240)}, "cut at max_tokens among the attempts", "void", 0.6),
        ({"pool": answers(cut=40)}, "cut at max_tokens among the attempts", "warning", 0.1),
        ({"base": answers(cut=400)}, "cut at max_tokens among the base's answers", "warning", 1.0),
        ({"located": {"cft": (3, 150)}}, "critiques of cft", "void", 0.02),
        ({"located": {"cft": (30, 150)}}, "critiques of cft", "warning", 0.2),
        ({"mixed": {"grpo": (0.0, 8, 100)}}, "reward variance of grpo", "void", 0.0),
        ({"mixed": {"grpo": (0.1, 8, 100)}}, "reward variance of grpo", "warning", 0.1),
        ({"cases": 100}, "cases", "warning", 100.0),
        ({"refused": {"sft": "no solutions"}}, "arm sft", "warning", 0.0),
    ],
)
def test_what_is_void_and_what_is_weak(changes, name, state, value):
    check = found(**changes)[name]
    assert (check.state, check.value) == (state, pytest.approx(value))
    assert check.fix
    assert f"{100 * value:.0f}" in check.message or name in ("arm sft", "critiques of cft", "cases")


def test_the_worst_stands_first():
    order = [check.state for check in checks(Looked(pool=answers(unknown=220), own=True, base=answers(cut=300)))]
    assert order == sorted(order, key=["void", "warning", "sound"].index)
    assert order[0] == "void"


def test_a_bare_prompt_is_a_fault_only_where_answers_suffer():
    assert "bare prompts" not in found(bare=True)
    assert "bare prompts" not in found(base=answers(unknown=200))
    for base in (answers(unknown=200), answers(right=100, lenient=160)):
        assert "$.problems.template" in found(bare=True, base=base)["bare prompts"].fix


def test_an_instruct_model_without_a_chat_template_is_said():
    assert "some-model-Instruct" in found(unchatted="some-model-Instruct")["no chat template"].message


def test_the_commonest_reason_is_said():
    pool = answers(unknown=220, reasons={"a time-out": 20, "no answer is stated": 200})
    assert "no answer is stated (200 of 220)" in found(pool=pool)["UNKNOWN among the attempts"].message


def test_nothing_heard_is_no_level():
    assert "base at the floor" not in found(base=Answers())
    assert "UNKNOWN among the attempts" not in found(pool=Answers())


@pytest.mark.parametrize(
    ("name", "changes"),
    [
        ("base at the floor", {"base": Answers(n=29)}),
        ("base at the ceiling", {"levels": [Level(words="a", value=1.0, items=29)]}),
        ("UNKNOWN among the attempts", {"pool": Answers(n=29, unknown=29)}),
        ("cut at max_tokens among the attempts", {"pool": Answers(n=29, cut=29)}),
        ("critiques of cft", {"located": {"cft": (0, 29)}}),
        ("reward variance of grpo", {"mixed": {"grpo": (0.0, 8, 29)}}),
    ],
)
def test_a_few_answers_prove_nothing_void(name, changes):
    """0 of 29 may still be one in ten: a study is stopped by what was shown, and by nothing less."""
    assert found(**changes)[name].state == "warning"
