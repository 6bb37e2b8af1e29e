"""The public names: there, documented, and none hidden by a module of the same name."""

import inspect
import pkgutil
import subprocess
import sys

import pytest

import accelsim


def test_the_promised_names():
    assert {"AccelsimError", "Graph", "Report", "estimate", "lower", "simulate"} <= set(accelsim.__all__)
    assert list(accelsim.__all__) == sorted(accelsim.__all__, key=lambda name: (not name[0].isupper(), name))


@pytest.mark.parametrize("name", accelsim.__all__)
def test_each_name_is_there_and_says_what_it_is(name):
    thing = getattr(accelsim, name)
    assert thing.__name__ == name and inspect.getdoc(thing)
    assert thing.__module__.startswith("accelsim.")
    assert getattr(sys.modules[thing.__module__], name) is thing
    assert name in dir(accelsim)


def test_no_module_or_package_has_a_public_name():
    modules = {info.name.rpartition(".")[2] for info in pkgutil.walk_packages(accelsim.__path__, "accelsim.")}
    assert modules & set(accelsim.__all__) == set()
    assert len(modules) > 50


def test_names_survive_the_import_of_every_module():
    """A submodule that is imported becomes an attribute of its package: a public name must not be covered by one."""
    code = (
        "import accelsim, accelsim.cli, accelsim.flow, accelsim.cost.costing, accelsim.report\n"
        "assert all(not hasattr(getattr(accelsim, name), '__path__') for name in accelsim.__all__)\n"
        "assert callable(accelsim.simulate) and callable(accelsim.estimate) and callable(accelsim.lower)\n"
    )
    assert subprocess.run([sys.executable, "-c", code], check=False).returncode == 0


def test_an_unknown_name_is_an_attribute_error():
    with pytest.raises(AttributeError, match="module 'accelsim' has no attribute 'simulat'"):
        _ = accelsim.simulat


@pytest.mark.parametrize("name", ["simulate", "estimate"])
def test_options_are_keywords_with_the_promised_defaults(name):
    parameters = inspect.signature(getattr(accelsim, name)).parameters
    first, *options = parameters.values()
    assert first.kind is first.POSITIONAL_OR_KEYWORD
    assert all(option.kind is option.KEYWORD_ONLY for option in options)
    defaults = {option.name: option.default for option in options}
    assert defaults["on"] is inspect.Parameter.empty and defaults["precision"] == "int8" and defaults["batch"] == 1
    assert defaults["example_inputs"] is None
    if name == "simulate":
        assert (defaults["images"], defaults["seed"]) == (64, 0)
