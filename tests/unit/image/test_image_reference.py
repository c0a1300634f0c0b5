from __future__ import annotations

import ast
import sys
from importlib.metadata import packages_distributions
from pathlib import Path

import pytest

import harness
from harness.errors import PlatformError
from harness.image import reference

SOURCES = Path(harness.__file__).parent / "reference"


def test_all_that_the_operator_imports_goes_into_its_image() -> None:
    """Every package that a module of it imports belongs to a distribution that is named."""
    imported: set[str] = set()
    for path in SOURCES.rglob("*.py"):
        for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                imported |= {name.name.partition(".")[0] for name in node.names}
            elif isinstance(node, ast.ImportFrom) and node.module:
                imported.add(node.module.partition(".")[0])
    foreign = imported - set(sys.stdlib_module_names) - {"harness"}
    known = packages_distributions()

    missing = {name for name in foreign if not {one.lower() for one in known[name]} & reference.distributions()}

    assert foreign
    assert not missing


def test_what_is_needed_needs_more() -> None:
    """The distributions that those named depend on come with them."""
    found = reference.distributions(("aiohttp",))

    assert found > {"aiohttp", "yarl", "multidict"}


def test_a_package_that_is_missing_is_a_clear_error() -> None:
    """It is named."""
    with pytest.raises(PlatformError, match="no-such-package is not installed"):
        reference.distributions(("no-such-package",))
