"""Rules of the house that no linter knows, as tests over the files of the repository."""

from __future__ import annotations

import ast
import io
import re
import subprocess
import tokenize
from functools import cache
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from harness.check.contract import PROMISES

if TYPE_CHECKING:
    from collections.abc import Iterator

ROOT = Path(__file__).resolve().parents[2]
GENERATED = "_pb2.py"
LONG, TOO_LONG = 400, 500
"""Lines of a module: over LONG its docstring says why it is long; over TOO_LONG is refused."""
SHORTEST, LONGEST = 25, 120
"""Lines of a scenario file. 40 is usual (style); a shorter one that says all it must is no defect."""
SLEEPERS = {"harness/wait.py", "harness/clock.py"}
VAGUE = {"utils", "util", "common", "helpers", "helper", "misc"}
SCENARIO_IMPORTS = {"__future__", "pytest", "harness", "typing"}
# Put together here, so that this file does not break its own rules.
UNFINISHED = re.compile(rf"\b({'TO' + 'DO'}|{'FIX' + 'ME'}|{'X' * 3}|{'HA' + 'CK'})\b")
ELSEWHERE = re.compile("|".join(re.escape(f"/{name}/") for name in ("work", "root", "home", "Users")))
REGISTRIES = re.compile(
    "|".join(re.escape(a + b) for a, b in (("py", "pi.org"), ("python", "hosted"), ("npm", "js"), ("proxy.", "golang")))
)
TEXTS = frozenset(
    (".py", ".pyi", ".md", ".toml", ".ini", ".yaml", ".yml", ".json", ".j2", ".css", ".proto", ".txt", ".sh")
)


@cache
def files() -> tuple[str, ...]:
    """Every file that is, or could be, tracked, as a path from the root."""
    told = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard"],
        cwd=ROOT, check=True, capture_output=True, text=True,
    ).stdout  # fmt: skip
    return tuple(name for name in sorted(set(told.splitlines())) if (ROOT / name).is_file())


def modules(*tops: str) -> list[str]:
    """The Python modules below the given directories (all without any), written by hand."""
    names = [name for name in files() if name.endswith(".py") and not name.endswith(GENERATED)]
    return [name for name in names if not tops or name.split("/")[0] in tops]


@cache
def text(name: str) -> str:
    """The content of a file."""
    return (ROOT / name).read_text(encoding="utf-8")


@cache
def tree(name: str) -> ast.Module:
    """The syntax tree of a module."""
    return ast.parse(text(name))


def where(name: str, node: ast.AST) -> str:
    """A place as path:line."""
    return f"{name}:{getattr(node, 'lineno', 0)}"


def imported(name: str) -> Iterator[tuple[ast.AST, str]]:
    """Every imported module of a module, wherever the import stands."""
    for node in ast.walk(tree(name)):
        if isinstance(node, ast.Import):
            yield from ((node, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield node, node.module or ""


def scenario_files() -> list[str]:
    """The files of scenarios."""
    return [name for name in modules("scenarios") if Path(name).name.startswith("test_")]


def functions_of(name: str) -> list[ast.FunctionDef | ast.AsyncFunctionDef]:
    """The test functions of a module, also those in classes."""
    functions = [node for node in ast.walk(tree(name)) if isinstance(node, ast.FunctionDef | ast.AsyncFunctionDef)]
    return [node for node in functions if node.name.startswith("test_")]


def test_there_is_something_to_examine() -> None:
    """The rules below are applied to the real files, not to an empty list."""
    assert len(modules("harness")) > 50
    assert len(scenario_files()) >= 8
    assert sum(len(functions_of(name)) for name in modules("tests")) > 100


def test_modules_are_short() -> None:
    """A module of more than 400 lines says in its docstring why it is long, and none has more than 500."""
    lengths = {name: text(name).count("\n") for name in modules()}
    unexplained = [
        f"{name}: {length} lines"
        for name, length in lengths.items()
        if length > LONG and (length > TOO_LONG or " long " not in (ast.get_docstring(tree(name)) or ""))
    ]

    assert unexplained == []


def test_only_the_wait_primitive_sleeps() -> None:
    """No module calls a sleep of `time` or `asyncio` but the one whose subject it is."""
    found = [
        where(name, node)
        for name in modules()
        if name not in SLEEPERS
        for node in ast.walk(tree(name))
        if (isinstance(node, ast.Attribute) and node.attr == "sleep")
        or (isinstance(node, ast.ImportFrom) and any(alias.name == "sleep" for alias in node.names))
    ]

    assert found == []


def test_no_module_has_a_name_that_says_nothing() -> None:
    """Names tell what is inside: no drawers for odds and ends."""
    assert [name for name in files() if VAGUE & set(re.split(r"[/_.]", name))] == []


def test_ignored_types_say_what_is_ignored() -> None:
    """Every type-ignore names its error code."""
    found = []
    for name in modules():
        for token in tokenize.generate_tokens(io.StringIO(text(name)).readline):
            bare = token.type == tokenize.COMMENT and re.search(r"type:\s*ignore(?!\[)", token.string)
            found += [f"{name}:{token.start[0]}"] if bare else []

    assert found == []


def test_the_harness_never_imports_pytest() -> None:
    """The package works without the test framework that drives its suite."""
    assert [where(name, node) for name in modules("harness") for node, what in imported(name) if "pytest" in what] == []


def test_nothing_is_left_unfinished() -> None:
    """No file carries a note of work to be done; the issue tracker does."""
    found = [
        f"{name}:{number}"
        for name in files()
        if Path(name).suffix in TEXTS
        for number, line in enumerate(text(name).splitlines(), start=1)
        if UNFINISHED.search(line)
    ]

    assert found == []


def test_every_test_says_what_is_true_when_it_passes() -> None:
    """Each test has a docstring of at least three words that ends as a sentence does."""
    found = [
        where(name, node)
        for name in modules("tests", "scenarios")
        for node in functions_of(name)
        if not re.fullmatch(r"\S+( \S+){2,}[.]", " ".join((ast.get_docstring(node) or "").split()))
    ]

    assert found == []


def test_no_file_knows_a_machine_or_a_package_registry() -> None:
    """Paths of a developer's machine and hosts of package registries do not belong into the repository."""
    found = [
        f"{name}:{number}"
        for name in files()
        if Path(name).suffix in TEXTS
        for number, line in enumerate(text(name).splitlines(), start=1)
        if ELSEWHERE.search(line) or REGISTRIES.search(line)
    ]

    assert found == []


@pytest.mark.parametrize("name", scenario_files())
def test_a_scenario_file_is_short_and_explains_itself(name: str) -> None:
    """Promise, fault and objective stand in a docstring of several lines; the whole fits on two screens."""
    docstring = ast.get_docstring(tree(name)) or ""

    assert SHORTEST <= text(name).count("\n") <= LONGEST
    assert 3 <= docstring.count("\n") + 1 <= 10
    assert re.search(r"[A-Z]+-\d", docstring), "the docstring names no promise"


@pytest.mark.parametrize("name", scenario_files())
def test_a_scenario_file_only_declares(name: str) -> None:
    """No loop, branch, exception, context manager or assertion outside of a test; nothing imported but the harness."""
    statements = (ast.For, ast.AsyncFor, ast.While, ast.If, ast.Try, ast.With, ast.AsyncWith, ast.Raise, ast.Global)
    odd = [where(name, node) for node in ast.walk(tree(name)) if isinstance(node, statements)]
    odd += [where(name, node) for node, what in imported(name) if what not in SCENARIO_IMPORTS]

    assert odd == []


@pytest.mark.parametrize("name", scenario_files())
def test_a_scenario_never_escapes(name: str) -> None:
    """No test skips, expects to fail, or is skipped: a surprise is a failure."""
    words = {"skip", "skipif", "xfail", "importorskip", "exit"}

    assert [where(name, n) for n in ast.walk(tree(name)) if isinstance(n, ast.Attribute) and n.attr in words] == []


@pytest.mark.parametrize("name", scenario_files())
def test_a_scenario_test_runs_once_and_asserts_verdicts(name: str) -> None:
    """One to four tests, each marked with its promises, with one call of `run` and assertions on verdicts only."""
    functions = functions_of(name)
    assert 1 <= len(functions) <= 4
    for function in functions:
        assert any("mark.promise" in ast.unparse(one) for one in function.decorator_list), function.name
        calls = [n for n in ast.walk(function) if isinstance(n, ast.Call) and ast.unparse(n.func) == "run"]
        assert len(calls) == 1, function.name
        asserts = [n for n in ast.walk(function) if isinstance(n, ast.Assert)]
        assert asserts, function.name
        assert all(re.fullmatch(r"result\['[A-Z]+-\d'\] is PASS", ast.unparse(n.test)) for n in asserts), function.name


def test_scenarios_judge_promises_of_the_contract() -> None:
    """Every promise id in a scenario file is one that a checker judges."""
    named = {
        (name, node.value)
        for name in scenario_files()
        for node in ast.walk(tree(name))
        if isinstance(node, ast.Constant) and isinstance(node.value, str) and re.fullmatch(r"[A-Z]+-\d", node.value)
    }

    assert len(named) > 20
    assert {(name, promise) for name, promise in named if promise not in PROMISES} == set()
