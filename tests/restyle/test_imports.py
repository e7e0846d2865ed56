"""Importing is cheap: what is heavy comes with its first use. Each check runs in a fresh interpreter."""

from __future__ import annotations

import importlib
import json
import pkgutil
import subprocess
import sys

import pytest

import restyle

FRAMEWORKS = ["langchain", "langchain_core", "langchain_openai", "llama_index"]
HEAVY = [*FRAMEWORKS, "openai", "numpy", "pydantic", "httpx", "aiohttp", "starlette", "uvicorn", "typer", "rich"]

# What it takes to talk to an endpoint is that file's job, and nobody loads it before one is asked.
CORE = sorted(
    f"restyle.{module.name}"
    for module in pkgutil.iter_modules(restyle.__path__)
    if not module.ispkg and module.name not in {"direct_client", "endpoint_client", "testing"}
)
ALL = sorted(
    module.name
    for module in pkgutil.walk_packages(restyle.__path__, "restyle.")
    if not module.name.startswith(("restyle.serving", "restyle.direct_client", "restyle.endpoint_client"))
)


def loaded_after(*imports: str) -> set[str]:
    """The top-level packages that are loaded by importing ``imports``."""
    program = f"""
import importlib, json, sys
for name in {imports!r}:
    importlib.import_module(name)
print(json.dumps(sorted(set(name.partition(".")[0] for name in sys.modules))))
"""
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, timeout=60, check=False)
    assert done.returncode == 0, done.stderr
    return set(json.loads(done.stdout))


@pytest.mark.parametrize("package", ["restyle", "langchain_restyle", "llama_index_restyle"])
def test_importing_a_package_loads_nothing_heavy(package):
    assert loaded_after(package).isdisjoint(HEAVY)


def test_the_adapters_never_import_each_other():
    assert "llama_index_restyle" not in loaded_after("langchain_restyle", "langchain_restyle.runnable")
    assert "langchain_restyle" not in loaded_after("llama_index_restyle")


def test_the_core_loads_nothing_heavy_until_it_is_used():
    assert {"restyle.style", "restyle.flows", "restyle.rewriting", "restyle.loop_clients"} <= set(CORE)
    assert loaded_after(*CORE).isdisjoint(HEAVY)


def test_no_module_of_restyle_imports_a_framework():
    assert {"restyle.data.pairs", "restyle.training.embedded", "restyle.cli.app", "restyle.demo"} <= set(ALL)
    assert loaded_after(*ALL).isdisjoint([*FRAMEWORKS, "openai", "langchain_restyle", "llama_index_restyle"])


def test_the_server_and_the_sandbox_import_no_framework():
    assert loaded_after("restyle.testing", "restyle.serving.run").isdisjoint([*FRAMEWORKS, "openai"])


@pytest.mark.parametrize("name", ["restyle", "langchain_restyle", "llama_index_restyle"])
def test_every_public_name_has_a_home(name):
    package = importlib.import_module(name)
    assert sorted(package.__all__) == package.__all__
    assert set(package.__all__) - {"__version__"} == set(package._HOMES)
    for public in package.__all__:
        assert getattr(package, public) is not None
    assert set(package.__all__) <= set(dir(package))
    with pytest.raises(AttributeError, match=f"module '{name}' has no attribute 'nonsense'"):
        _ = package.nonsense


def test_every_public_name_is_the_one_in_its_home():
    for public, home in restyle._HOMES.items():
        module = importlib.import_module(home)
        assert getattr(restyle, public) is getattr(module, public)
        assert public in module.__all__


def test_the_version_is_written_once():
    from importlib.metadata import version

    from restyle._version import __version__

    assert restyle.__version__ == __version__ == version("restyle")


@pytest.mark.parametrize("name", ALL)
def test_every_module_says_what_it_offers(name):
    if name.endswith("_version"):
        return
    module = importlib.import_module(name)
    for public in getattr(module, "__all__", ()):
        assert hasattr(module, public), f"{name}.__all__ names {public!r}, which is not there"
