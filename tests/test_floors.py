"""Imports point down only, heavy libraries stay where they belong, and no module hides a public function."""

import ast
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cache
from pathlib import Path

import pytest

import accelsim

ROOT = Path(accelsim.__file__).parent
FILES = {
    ".".join(("accelsim", *path.relative_to(ROOT).with_suffix("").parts)).removesuffix(".__init__"): path
    for path in sorted(ROOT.rglob("*.py"))
}

FLOORS = {
    "accelsim": 13,
    "__main__": 12,
    "page": 11,
    "cli": 11,
    "command_output": 10.5,
    "usage": 10,
    "validation_report": 10.5,
    "kernel_report": 10,
    "host_report": 10,
    "given_workload": 10,
    "console": 9.5,
    "listing": 10,
    "showing": 10,
    "checking": 10,
    "golden": 9,
    "validation": 9,
    "measure": 9,
    "study": 9,
    "plots": 9,
    "compress": 8,
    "simulation": 8.5,
    "flow": 8,
    "training": 7,
    "reporting": 6.5,
    "report": 6,
    "passes": 5,
    "cost": 5,
    "quality": 5,
    "frontend": 4,
    "models": 4,
    "engine": 4,
    "mapping": 4,
    "ir": 3,
    "hardware": 3,
    "formats": 2,
    "machine_code": 1,
    "errors": 1,
    "file_memo": 1,
    "shared": 1,
    "yaml_file": 1,
}
"""Part of the package -> its floor. A part may import itself and lower floors; parts of one floor know nothing of each
other, but for the three of the lowest, where `yaml_file` and `shared` raise what `errors` defines."""

SAME_FLOOR = {("shared", "errors"), ("yaml_file", "errors")}

HOMES = {
    "torch": ("accelsim.models.", "accelsim.training.", "accelsim.measure.torch_float."),
    "numba": ("accelsim.engine.kernels.", "accelsim.mapping.kernels.", "accelsim.machine_code."),
    "llvmlite": ("accelsim.engine.kernels.",),
    "matplotlib": ("accelsim.plots",),
}
"""Library -> the modules that may import it at all, by the beginning of their names."""
TORCH_FRONTEND = {f"accelsim.frontend.{m}" for m in ("torch_export", "aten", "lowering", "workload", "module_source")}

HEAVY = {"torch", "numba", "pandas", "matplotlib"}


@dataclass(frozen=True)
class Import:
    module: str
    top_level: bool
    line: int


@cache
def tree(module: str) -> ast.Module:
    return ast.parse(FILES[module].read_text(encoding="utf-8"))


def lazy_nodes(module: str) -> set[ast.AST]:
    """What runs only when a function is called."""
    functions = (
        n for n in ast.walk(tree(module)) if isinstance(n, ast.FunctionDef | ast.AsyncFunctionDef | ast.Lambda)
    )
    return {inner for function in functions for inner in ast.walk(function)}


@cache
def imports(module: str) -> tuple[Import, ...]:
    """Every import of a file; `from package import name` counts as the module `package.name` where that is one."""
    lazy = lazy_nodes(module)
    found = []
    for node in ast.walk(tree(module)):
        names: list[str] = []
        if isinstance(node, ast.Import):
            names = [alias.name for alias in node.names]
        elif isinstance(node, ast.ImportFrom):
            assert node.level == 0, f"{module}:{node.lineno}: relative import"
            names = [_resolved(str(node.module), alias.name) for alias in node.names]
        found += [Import(name, node not in lazy, node.lineno) for name in names]  # type: ignore[attr-defined]
    return tuple(found)


def _resolved(package: str, name: str) -> str:
    if f"{package}.{name}" in FILES:
        return f"{package}.{name}"
    if package == "accelsim":
        return str(getattr(accelsim, "_HOMES", {}).get(name, package))
    return package


def part(module: str) -> str:
    """Top-level part of accelsim that a module belongs to."""
    return module.split(".")[1] if "." in module else module


def inside(module: str) -> Iterator[Import]:
    return (found for found in imports(module) if found.module.split(".")[0] == "accelsim")


def test_every_part_has_a_floor() -> None:
    assert len(FILES) > 40
    assert {part(module) for module in FILES} <= set(FLOORS)


@pytest.mark.parametrize("module", FILES)
def test_imports_point_down(module: str) -> None:
    mine = part(module)
    for found in inside(module):
        assert found.module in FILES, f"{module}:{found.line}: {found.module} is not a module of accelsim"
        theirs = part(found.module)
        allowed = theirs == mine or FLOORS[theirs] < FLOORS[mine] or (mine, theirs) in SAME_FLOOR
        assert allowed, f"{module}:{found.line}: {mine} must not import {found.module}"


def test_the_rules_of_neighbours_follow_from_the_floors() -> None:
    for group in ({"frontend", "models", "engine", "mapping"}, {"ir", "hardware"}, {"passes", "cost", "quality"}):
        assert len({FLOORS[name] for name in group}) == 1
        assert not any(one in group and other in group for one, other in SAME_FLOOR)


def test_no_imports_go_round_in_circles() -> None:
    done: set[str] = set()

    def visit(module: str, path: tuple[str, ...]) -> None:
        assert module not in path, " -> ".join((*path, module))
        if module in done:
            return
        for found in inside(module):
            if found.module != module:
                visit(found.module, (*path, module))
        done.add(module)

    for module in FILES:
        visit(module, ())
    assert done == set(FILES)


@pytest.mark.parametrize("library", HOMES)
def test_heavy_libraries_stay_at_home(library: str) -> None:
    for module in FILES:
        home = f"{module}.".startswith(HOMES[library]) or (library == "torch" and module in TORCH_FRONTEND)
        for found in imports(module):
            if found.module.split(".")[0] == library:
                assert home, f"{module}:{found.line}: imports {found.module}"


def loaded_by(module: str) -> dict[str, tuple[str, ...]]:
    """Every module that importing `module` loads by its top-level imports, ours and others, and the way to it."""
    reached: dict[str, tuple[str, ...]] = {}
    waiting: list[tuple[str, tuple[str, ...]]] = [(module, ())]
    while waiting:
        name, path = waiting.pop()
        if name in reached:
            continue
        reached[name] = (*path, name)
        parents = [name.rpartition(".")[0]] if "." in name else []
        here = [found.module for found in imports(name) if found.top_level] if name in FILES else []
        waiting += [(after, reached[name]) for after in parents + here]
    return reached


@pytest.mark.parametrize("start", ["accelsim", "accelsim.cli", "accelsim.__main__"])
def test_starting_loads_nothing_heavy(start: str) -> None:
    assert start in FILES
    for name, path in loaded_by(start).items():
        assert name.split(".")[0] not in HEAVY, " -> ".join(path)


def test_the_follower_of_imports_sees_what_it_should() -> None:
    reached = loaded_by("accelsim.models.dcgan")
    assert "torch" in reached and "accelsim" in reached
    assert "torch" not in loaded_by("accelsim.frontend.module_source")  # it imports torch inside a function
    assert any(i.module == "torch" and not i.top_level for i in imports("accelsim.frontend.module_source"))


@pytest.mark.parametrize("module", FILES)
def test_files_are_short_and_import_plainly(module: str) -> None:
    assert len(FILES[module].read_text(encoding="utf-8").splitlines()) <= 400, f"{FILES[module]} is too long"
    names = {node.id for node in ast.walk(tree(module)) if isinstance(node, ast.Name)}
    assert "TYPE_CHECKING" not in names
    assert not any(isinstance(n, ast.ExceptHandler) and n.type is None for n in ast.walk(tree(module)))


def test_no_module_is_named_as_a_public_name() -> None:
    public = set(getattr(accelsim, "__all__", ())) | {"simulate", "estimate", "lower", "sweep", "load_results"}
    for module in FILES:
        assert not public & set(module.split(".")[1:]), module
    for name in getattr(accelsim, "__all__", ()):
        assert getattr(accelsim, name).__module__.startswith("accelsim.")
