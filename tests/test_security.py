"""What SECURITY.md promises of the source: no pickle, no eval, and code of others only through the doors that it names."""

import ast
from pathlib import Path

ROOT = Path(__file__).parents[1]
SOURCES = {str(path.relative_to(ROOT / "src/counterform")): path for path in (ROOT / "src/counterform").rglob("*.py")}
PICKLES = {
    "pickle",
    "_pickle",
    "cPickle",
    "dill",
    "cloudpickle",
    "marshal",
    "shelve",
    "joblib",
    "torch.load",
    "torch.save",
    "np.load",
}
RUNS_TEXT = {"eval", "exec", "compile", "os.system", "os.popen", "__import__"}
LOADERS = {"import_module", "run_path", "run_module", "exec_module"}


def called(path):
    """Every name that is called or imported in a file, with the call."""
    for node in ast.walk(ast.parse(path.read_text())):
        if isinstance(node, ast.Call):
            yield ast.unparse(node.func), node
        if isinstance(node, ast.Import):
            yield from ((alias.name, node) for alias in node.names)
        if isinstance(node, ast.ImportFrom):
            yield node.module or "", node


def test_nothing_is_pickled_and_no_text_is_run():
    found = {(name, file) for file, path in SOURCES.items() for name, _ in called(path) if name in PICKLES | RUNS_TEXT}
    worker = "guard/drafting/sandbox_worker.py"
    assert found == {("compile", worker), ("exec", worker)}


def test_drafted_rules_run_in_the_worker_alone():
    """The one place that runs a model's text is a program of its own: no module imports it."""
    for file, path in SOURCES.items():
        assert not any("sandbox_worker" in name for name, _ in called(path)), file
    assert "sandbox_worker" in (ROOT / "SECURITY.md").read_text()


def test_code_that_others_wrote_comes_in_through_four_doors():
    """A part that a study file names, the function of a scripted model, a policy; and our own modules, by their own tables."""
    doors = {file for file, path in SOURCES.items() for name, _ in called(path) if name.rpartition(".")[2] in LOADERS}
    ours = {"__init__.py", "train/__init__.py"}
    assert doors - ours == {"parts.py", "models/scripted.py", "guard/policy.py"}
    assert "trust_remote_code" in (ROOT / "SECURITY.md").read_text()


def test_every_model_and_tokenizer_is_loaded_with_a_word_on_its_code():
    """A call that leaves it open asks in a terminal, and runs the code at a keystroke."""
    calls = [
        (file, node)
        for file, path in SOURCES.items()
        for name, node in called(path)
        # peft is given a model that is loaded already; of an adapter files_of refuses what is no safetensors.
        if isinstance(node, ast.Call) and name.endswith(".from_pretrained") and name != "PeftModel.from_pretrained"
    ]
    assert len(calls) > 3
    for file, node in calls:
        said = {ast.unparse(word.value) if word.arg is None else word.arg for word in node.keywords}
        assert said & {"trust_remote_code", "_trusted(spec)"}, f"{file}:{node.lineno}"
        model = "Model" in ast.unparse(node.func)
        assert not model or said & {"use_safetensors", "gguf_file"}, f"{file}:{node.lineno}"


def test_every_process_that_is_started_is_given_its_words_one_by_one():
    """No shell reads anybody's text."""
    for file, path in SOURCES.items():
        for name, node in called(path):
            if isinstance(node, ast.Call) and name in ("subprocess.run", "subprocess.Popen", "subprocess.check_output"):
                assert "shell" not in {word.arg for word in node.keywords}, file
                assert isinstance(node.args[0], ast.List | ast.Name), file
