"""The decisions of the bootstrap; what it installs is proven by running it."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

import pytest

from ci import bootstrap

TOX_INI = """\
[tox]
labels =
    test = lint, unit
    night = scenarios

[testenv]
pass_env = *

[testenv:lint]
commands = ruff check .

[testenv:unit]
commands = pytest {posargs}
"""


def test_environments_and_labels_are_read_from_tox_ini() -> None:
    """The names are those of tox.ini, in its order."""
    assert bootstrap.known(TOX_INI) == (("lint", "unit"), ("test", "night"))


@pytest.mark.parametrize(
    ("name", "arguments", "expected"),
    [
        ("test", [], ["-m", "test"]),
        ("unit", [], ["-e", "unit"]),
        ("unit", ["-k", "a b"], ["-e", "unit", "--", "-k", "a b"]),
        ("unit", ["--", "-k", "a b"], ["-e", "unit", "--", "-k", "a b"]),
        ("unit", ["--"], ["-e", "unit"]),
    ],
)
def test_a_name_becomes_a_tox_call(name: str, arguments: list[str], expected: list[str]) -> None:
    """Labels and environments are selected by tox's own options, and arguments are passed on unchanged."""
    command = bootstrap.tox_command(Path("/venv/bin/python"), name, arguments, TOX_INI)
    assert command == ["/venv/bin/python", "-m", "tox", "run", *expected]


def test_an_unknown_name_lists_what_there_is() -> None:
    """A name that tox.ini does not have is refused with all names that can be given."""
    with pytest.raises(bootstrap.BootstrapError, match="'tset'; there are: setup, test, night, lint, unit"):
        bootstrap.tox_command(Path("python"), "tset", [], TOX_INI)


def test_the_projects_own_names_are_all_there() -> None:
    """The ways of running that the documents name stand in tox.ini."""
    environments, labels = bootstrap.known((bootstrap.ROOT / "tox.ini").read_text(encoding="utf-8"))
    assert {"lint", "types", "unit", "saboteurs", "quick", "scenarios", "bench"} <= set(environments)
    assert "test" in labels
    assert set(environments) >= bootstrap.NO_CLUSTER


@pytest.mark.parametrize("version", [(3, 8, 1), (3, 10, 12), (2, 7, 18)])
def test_an_old_python_is_told_what_to_install(version: tuple[int, ...]) -> None:
    """The message names the version found, the version needed and the packages."""
    text = bootstrap.python_problem(version, has_venv=True, has_pip=True)
    assert ".".join(map(str, version)) in text
    assert "Python 3.11 or newer" in text
    assert "apt-get install python3 python3-venv" in text


@pytest.mark.parametrize(("has_venv", "has_pip", "missing"), [(False, True, "venv"), (True, False, "ensurepip")])
def test_a_python_without_venv_is_told_what_to_install(*, has_venv: bool, has_pip: bool, missing: str) -> None:
    """Debian's split of the standard library is answered with the package that mends it."""
    text = bootstrap.python_problem((3, 12, 3), has_venv=has_venv, has_pip=has_pip)
    assert f"no module {missing!r}" in text
    assert "python3.12-venv" in text


def test_a_complete_python_has_no_problem() -> None:
    """3.11 with venv and ensurepip is enough."""
    assert bootstrap.python_problem((3, 11, 0), has_venv=True, has_pip=True) == ""


def test_the_fingerprint_follows_pyproject_and_interpreter() -> None:
    """The environment is brought up to date when either changes, and only then."""
    base = bootstrap.fingerprint(b"a", "3.11")
    assert bootstrap.fingerprint(b"a", "3.11") == base
    assert len({base, bootstrap.fingerprint(b"b", "3.11"), bootstrap.fingerprint(b"a", "3.12")}) == 3


def test_an_environment_counts_only_when_its_python_runs(tmp_path: Path) -> None:
    """An environment whose interpreter is missing or broken is made again."""
    broken = tmp_path / "python"
    assert not bootstrap.usable(broken)
    broken.write_text("#!/bin/sh\nexit 1\n")
    broken.chmod(0o755)
    assert not bootstrap.usable(broken)
    assert bootstrap.usable(Path(sys.executable))


def test_a_prepared_checkout_is_used_again_without_any_command(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """The steps run for the first call, not for the second, and again after pyproject.toml has changed."""
    steps: list[str] = []

    def pretend(what: str, argv: list[str], root: Path) -> None:
        steps.append(what)
        python = root / ".venv" / "bin" / "python"
        if not python.exists():
            python.parent.mkdir(parents=True)
            python.symlink_to(argv[0])

    monkeypatch.setattr(bootstrap, "step", pretend)
    (tmp_path / "pyproject.toml").write_text("[project]\n")
    python = bootstrap.prepare(tmp_path)
    assert steps == ["making .venv", "updating pip", "installing the project and its tools"]
    assert bootstrap.prepare(tmp_path) == python
    assert len(steps) == 3
    (tmp_path / "pyproject.toml").write_text("[project]\nname = 'x'\n")
    bootstrap.prepare(tmp_path)
    assert steps[3:] == ["updating pip", "installing the project and its tools"]


def test_an_interrupted_preparation_is_not_taken_for_a_whole_one(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """When a step fails the next call does the steps again."""

    def fail(what: str, argv: list[str], root: Path) -> None:
        del argv, root
        raise bootstrap.BootstrapError(what)

    (tmp_path / "pyproject.toml").write_text("[project]\n")
    for _ in range(2):
        with monkeypatch.context() as patch:
            patch.setattr(bootstrap, "step", fail)
            with pytest.raises(bootstrap.BootstrapError, match=r"making \.venv"):
                bootstrap.prepare(tmp_path)


def test_a_bad_name_ends_with_status_3_before_anything_is_installed() -> None:
    """The command line is checked first: one sentence on stderr, exit status 3."""
    script = Path(bootstrap.__file__)
    done = subprocess.run([sys.executable, str(script), "no-such"], capture_output=True, text=True, check=False)
    assert done.returncode == 3
    assert done.stderr.startswith("bootstrap: error: nothing is called 'no-such'; there are: setup, test, ")
    assert done.stdout == ""
