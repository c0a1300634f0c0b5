from __future__ import annotations

import inspect
import re

import pytest

from harness import errors

LINE = re.compile(r"^(?P<indent>(?:\|  |   |\|- |`- )*)(?P<name>\w+Error)\b")


def drawn() -> dict[str, str | None]:
    """Class -> parent, as the tree in the module's docstring draws it."""
    assert errors.__doc__ is not None
    parents: dict[str, str | None] = {}
    above: list[str] = []
    for line in inspect.cleandoc(errors.__doc__).splitlines():
        found = LINE.match(line.removeprefix("    "))
        if found is None:
            continue
        depth = len(found["indent"]) // 3
        del above[depth:]
        parents[found["name"]] = above[-1] if above else None
        above.append(found["name"])
    return parents


def real() -> dict[str, str | None]:
    """Class -> parent, as they are."""
    classes = [value for value in vars(errors).values() if inspect.isclass(value) and issubclass(value, Exception)]
    names = {one.__name__ for one in classes}
    bases = {one.__name__: [base.__name__ for base in one.__bases__ if base.__name__ in names] for one in classes}
    return {name: next(iter(above), None) for name, above in bases.items()}


def test_the_tree_in_the_docstring_is_the_real_one() -> None:
    """Every error is drawn under its parent, and every drawn one exists."""
    assert drawn() == real()
    assert len(real()) >= 10


def test_the_message_ends_with_the_way_out() -> None:
    """The hint stands on a line of its own; without one there is no such line."""
    assert str(errors.UsageError("--nodes -1 is out of range", hint="0 to 5000")) == (
        "--nodes -1 is out of range\n  hint: 0 to 5000"
    )
    assert str(errors.UsageError("no")) == "no"


def test_an_api_error_keeps_status_and_reason() -> None:
    """Callers decide by the status and the machine-readable reason, not by the text."""
    error = errors.ApiError("GET /x: 404", status=404, reason="NotFound")

    assert (error.status, error.reason, error.what) == (404, "NotFound", "GET /x: 404")


def test_a_timeout_without_progress_does_not_invent_any() -> None:
    """What was never seen is not mentioned."""
    assert str(errors.WaitTimeoutError("a pod", waited_s=1.25)) == "gave up waiting for a pod after 1.2 s"


@pytest.mark.parametrize("name", sorted(real()))
def test_every_error_is_the_harness_own(name: str) -> None:
    """One except clause of the command line catches them all."""
    assert issubclass(getattr(errors, name), errors.HarnessError)


def test_a_defect_says_what_was_raised_and_where() -> None:
    """The last place of ours counts, and of a group its first exception."""
    with pytest.raises(AttributeError) as raised:
        errors.DefectError.of(None)  # type: ignore[arg-type]

    error = errors.DefectError.of(ExceptionGroup("several", [raised.value, ValueError("second")]))

    assert re.fullmatch(
        r"a defect of the harness: AttributeError \('NoneType' .*\) at harness/errors\.py:\d+", error.what
    )
    assert errors.DefectError.of(KeyError()).what == "a defect of the harness: KeyError"
