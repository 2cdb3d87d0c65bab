"""The guard's page: what it shows runs."""

import re
from pathlib import Path

import pytest

from counterform.guard.check import check_policy, require

PAGE = (Path(__file__).parents[2] / "docs" / "guard.md").read_text(encoding="utf-8")
SNIPPETS = re.findall(r"```python\n(.*?)```", PAGE, re.DOTALL)


def test_every_snippet_of_the_page_runs(tmp_path, monkeypatch, capsys):
    pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    names = {}
    assert len(SNIPPETS) == 4
    for snippet in SNIPPETS:
        if snippet.startswith("# policy.py"):
            Path("policy.py").write_text(snippet)
            require(check_policy("policy.py"))
            continue
        exec(compile(snippet, "docs/guard.md", "exec"), names)
    shown = capsys.readouterr().out
    assert "Refused: refund was not run." in shown
    assert "An order is paid back once." in shown
    answers = names["guarded"].answer(names["prompts"], n=1, seed=0, temperature=0.7, max_tokens=64)
    assert all(found[0].completion.text for found in answers if not found[0].refused)


def test_a_model_that_is_wrapped_stays_as_it_was():
    pytest.importorskip("torch")
    import numpy as np

    from counterform.errors import ModelError
    from counterform.guard import HINT, HINT_AS_STEP, RULE, Guard
    from counterform.models.hf import HFModel
    from counterform.models.loading import load
    from counterform.problems.ledger import Ledger
    from counterform.types import Mark
    from counterform.verify.steps import grade_steps

    model, tokenizer = load("world")
    model.generation_config.temperature = 0.3
    before, pad = model.generation_config.to_dict(), tokenizer.pad_token
    problems = Ledger().generate(6, rng=np.random.default_rng(0))
    prompts = [problem.prompt for problem in problems]
    wrapped = HFModel.wrap(model, tokenizer)
    ask = {"n": 2, "seed": 0, "temperature": 1.0, "max_tokens": 64}
    plain = wrapped.generate(prompts, **ask)
    assert (model.generation_config.to_dict(), tokenizer.pad_token) == (before, pad)
    for note in (RULE, HINT):
        with pytest.raises(ModelError, match="has no words for the note"):
            Guard(Ledger(), note=note).around(wrapped, problems)
    found = Guard(Ledger(), note=HINT_AS_STEP).around(wrapped, problems).answer(prompts, **ask)
    assert model.generation_config.to_dict() == before
    for problem, row in zip(problems, found, strict=True):
        for one in row:
            assert Mark.WRONG not in [step.mark for step in grade_steps(Ledger(), problem, one.completion.text)]
    assert any(one.interventions for row in found for one in row)
    assert any(
        Mark.WRONG in [step.mark for step in grade_steps(Ledger(), p, c.text)]
        for p, row in zip(problems, plain, strict=True)
        for c in row
    )
