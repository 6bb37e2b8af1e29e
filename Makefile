# make demo: simulate the shipped generator on the shipped FPGA.  make test: run the tests.  make lint: style and types.
# make bench: measure kernels and whole generators, into docs/benchmarks.md.
# Everything lives in .venv; TORCH_INDEX=URL installs torch from another index (a CPU build, say).
PYTHON ?= python3
PIP := .venv/bin/python -m pip install --quiet --disable-pip-version-check
WORKERS ?= 2

.PHONY: demo test lint bench clean

demo: .venv/.installed
	.venv/bin/accelsim simulate dcgan32 --on zcu104 --precision int8 --images 64 --seed 0 --out demo
	@echo "pictures: demo/images.png (float, quantized, difference)"

test: .venv/.tested
	.venv/bin/python -m pytest -n $(WORKERS)

bench: .venv/.installed
	.venv/bin/python benchmarks/kernels.py
	.venv/bin/python benchmarks/generator.py
	.venv/bin/python benchmarks/first_call.py

lint: .venv/.linted
	.venv/bin/ruff check .
	.venv/bin/ruff format --check .
	.venv/bin/mypy

.venv/.torch:
	$(PYTHON) -m venv .venv
	$(PIP) $(if $(TORCH_INDEX),--index-url $(TORCH_INDEX)) "torch>=2.6,<2.14"
	@touch $@

.venv/.installed: .venv/.torch pyproject.toml
	$(PIP) -e .
	@touch $@

.venv/.tested: .venv/.installed
	$(PIP) -e ".[test]"
	@touch $@

.venv/.linted: .venv/.installed
	$(PIP) -e ".[dev]"
	@touch $@

clean:
	rm -rf .venv demo dist .pytest_cache .mypy_cache .ruff_cache .hypothesis
