import pytest

from counterform.errors import ModelError
from counterform.models.scripted import ScriptedAnswer, ScriptedModel
from counterform.parts import part
from counterform.study import ModelSpec

ASKED = {"seed": 0, "temperature": 1.0, "max_tokens": 8}


def parrot(prompt, sample):
    """Named by a test as a module:function."""
    return f"{prompt} {sample}"


def test_answers_in_order_and_remembers_what_was_asked():
    model = ScriptedModel(parrot)
    rows = model.generate(["a", "b"], n=2, **ASKED)
    assert [[c.text for c in row] for row in rows] == [["a 0", "a 1"], ["b 0", "b 1"]]
    assert [(c.tokens, c.finish) for c in rows[0]] == [(2, "stop")] * 2
    assert model.calls == [("a", 0), ("a", 1), ("b", 0), ("b", 1)]


def test_none_is_a_call_that_failed():
    [[heard, unheard]] = ScriptedModel(lambda _, i: None if i else "").generate(["a"], n=2, **ASKED)
    assert (heard.finish, unheard.finish, unheard.tokens) == ("stop", "error", 0)


def test_long_answers_are_cut():
    [[completion]] = ScriptedModel(lambda *_: "one two three").generate(["a"], n=1, seed=0, temperature=0, max_tokens=2)
    assert (completion.text, completion.tokens, completion.finish) == ("one two", 2, "length")


def test_logprobs_need_a_function():
    model = ScriptedModel(parrot, logprob=lambda prompt, continuation: -float(len(continuation)))
    assert model.logprobs("a", ["b", "cc"]) == [-1.0, -2.0]
    with pytest.raises(ModelError, match="logprob="):
        ScriptedModel(parrot).logprobs("a", ["b"])


marked = ScriptedAnswer(parrot)


def test_opened_from_a_study():
    model = part("model", "scripted").open(ModelSpec(kind="scripted", path=f"{__name__}:marked"))
    assert model.name == f"{__name__}:marked"
    assert model.generate(["a"], n=1, **ASKED)[0][0].text == "a 0"
    model.close()


@pytest.mark.parametrize(
    "path", ["subprocess:getoutput", "os:system", "os.path:join", "builtins:exec", f"{__name__}:parrot"]
)
def test_a_function_that_was_not_meant_to_answer_is_never_called_with_a_prompt(path):
    """`subprocess.getoutput(prompt, 0)` would run the prompt as a command."""
    with pytest.raises(ModelError, match=r"scripted model: .* Write @ScriptedAnswer"):
        ScriptedModel.open(ModelSpec(kind="scripted", path=path))


@pytest.mark.parametrize("path", ["world", "", ":f", "no_such_module:f", "string:no_such", "string:digits", "..x:f"])
def test_what_cannot_be_opened_is_named(path):
    with pytest.raises(ModelError, match="scripted model"):
        ScriptedModel.open(ModelSpec(kind="scripted", path=path))
