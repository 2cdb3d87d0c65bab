import numpy as np

from counterform.bench import Bench
from counterform.models.hf import HFModel
from counterform.models.scripted import ScriptedModel
from counterform.probes.probe import HeldOut
from counterform.probes.traits import Traits
from counterform.study import ModelSpec, ProbeSpec
from counterform.testing import check_probe
from counterform.text.lexicon import load_lexicon
from counterform.types import Mark

SPEC = ProbeSpec(samples=2, k=1, max_tokens=40)


def read(items, grade, model):
    readings = Traits(Bench(spec=SPEC, grade=grade))(model, items, arm="one", seed=3)
    return {(r.metric, r.condition, r.item_id): r for r in readings}


def test_promises(grade, items):
    check_probe(
        Traits(Bench(spec=SPEC, grade=grade)), ScriptedModel(lambda _, sample: f"Wait, the answer is {sample}."), items
    )


def test_counts_of_each_answer(problems, grade, items):
    answers = {
        0: "7 + 5 = 13. Wait, 7 + 5 = 12. Perhaps. Let me check. Hold on.",
        1: "Alternatively, no.",
    }
    readings = read(items, grade, ScriptedModel(lambda _, sample: answers[sample]))
    name = problems[0].id
    values = [
        readings["markers", kind, f"{name}/0"].value for kind in ("hedge", "self-check", "backtrack", "alternative")
    ]
    assert values == [1, 1, 2, 0]
    assert readings["markers", "alternative", f"{name}/1"].value == 1
    assert readings["tokens", "", f"{name}/0"].value == 17
    assert readings["mended", "", f"{name}/1"].value is None  # no step that could be read
    entropy = [r for (metric, *_), r in readings.items() if metric.startswith("entropy")]
    assert {(r.value, r.mark) for r in entropy} == {(None, Mark.UNKNOWN)}
    assert {r.item_id.rpartition("/")[2] for r in entropy} == {"0"}


def test_mended_errors(problems, grade, items):
    def answer(prompt, sample):
        problem = next(p for p in problems if p.prompt == prompt)
        first, _, rest = problem.solution.partition(". ")
        left, _, right = first.partition(" = ")
        return f"{left} = {int(right) + 1}. Wait, {first}. {rest}" if sample == 0 else problem.solution

    readings = read(items, grade, ScriptedModel(answer))
    assert np.mean([readings["mended", "", f"{p.id}/0"].value for p in problems]) == 1.0
    assert {readings["mended", "", f"{p.id}/1"].value for p in problems} == {0.0}


def test_entropy_of_a_model_whose_insides_can_be_seen(problems, grade, items):
    model = HFModel.open(ModelSpec(path="world"))
    few = HeldOut(problems=problems[:2], attempts=())
    readings = read(few, grade, model)
    for problem in problems[:2]:
        nats, tokens = (readings[f"entropy {what}", "", f"{problem.id}/0"].value for what in ("nats", "tokens"))
        assert 0 < nats < 6 * tokens
        assert abs(tokens - readings["tokens", "", f"{problem.id}/0"].value) <= 1  # without the end token


def test_a_lexicon_of_the_users_own(tmp_path, grade, items):
    file = tmp_path / "mine.json"
    file.write_text('{"kinds": {"said": ["the answer"]}}')
    probe = Traits(Bench(spec=ProbeSpec(samples=1, k=1), grade=grade, lexicon=load_lexicon(str(file))))
    readings = probe(ScriptedModel(lambda *_: "The answer is the answer."), items, arm="one", seed=0)
    assert {r.value for r in readings if (r.metric, r.condition) == ("markers", "said")} == {2.0}
