"""How commands choose what provides their clusters."""

from __future__ import annotations

from typing import Any

import pytest

from harness.cli.backend import asked, at_once, words
from harness.cluster.backend import SETTINGS, BackendSpec
from harness.errors import UsageError


def given(**more: Any) -> dict[str, Any]:
    """The arguments of a command without any of these options, but for some."""
    usual = {setting.name.replace("-", "_"): "" if setting.metavar else False for setting in SETTINGS}
    return {**usual, "backend": "", "operator_in": None, "other": 1, **more}


def test_without_options_the_usual_backend_is_meant() -> None:
    """Nothing is passed on to the suite, and what is not about backends is left to the command."""
    options = given()

    assert asked(options) == ()
    assert options == {"other": 1}
    assert words(()) == ()


def test_options_come_back_as_they_were_given() -> None:
    """In the form in which the suite takes them, each once."""
    specs = asked(given(backend="embedded", operator_in="process"))

    assert specs == (BackendSpec("embedded", {}, "process"),)
    assert words(specs) == ("--backend=embedded", "--operator-in=process")
    both = (BackendSpec("kind", {"node-image": "a b"}, "process"), BackendSpec("embedded", {}, "process"))
    assert words(both) == ("--backend=kind,embedded", "--node-image=a b", "--operator-in=process")


def test_a_setting_of_another_backend_is_refused() -> None:
    """Also where no backend was named."""
    with pytest.raises(UsageError, match="--context goes with --backend external only"):
        asked(given(context="lab"))


@pytest.mark.parametrize(
    ("name", "wanted", "made"), [("embedded", 4, 4), ("embedded", None, None), ("external", None, 1)]
)
def test_one_run_at_a_time_is_made_on_somebody_s_cluster(name: str, wanted: int | None, made: int | None) -> None:
    """As many as usual elsewhere."""
    assert at_once((BackendSpec(name),), wanted) == made


def test_more_runs_on_somebody_s_cluster_are_refused() -> None:
    """They would find each other's lease."""
    with pytest.raises(UsageError, match="-n 4: on somebody's cluster one run is made at a time"):
        at_once((BackendSpec("external"),), 4)
