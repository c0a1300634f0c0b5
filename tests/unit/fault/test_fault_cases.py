"""The cases of `tests/faults`, without a cluster: none is missing, and each is what its scenario does."""

from __future__ import annotations

import pytest

from harness.fault import catalog
from harness.fault.together import parts
from tests.faults.cases import CASES, LASTING, PREFERRED, SCENARIOS


def test_every_kind_has_a_case() -> None:
    """No kind of fault is in the catalogue without a scenario that uses it: there is its case made from."""
    assert set(CASES) == set(catalog.KINDS)


def test_what_is_said_of_a_kind_is_said_of_one_that_exists() -> None:
    """The exceptions name kinds of the catalogue and scenarios of the suite, and are followed."""
    assert PREFERRED.keys() | LASTING.keys() <= set(catalog.KINDS)
    assert {kind: CASES[kind].scenario.id for kind in PREFERRED} == PREFERRED


@pytest.mark.parametrize("kind", sorted(CASES))
def test_a_case_is_run_alone(kind: str) -> None:
    """Its expression finds its scenario and no other, and the fault is one of the scenario's."""
    case = CASES[kind]
    wanted, *others = case.expression.split(" and not ")

    found = [one.id for one in SCENARIOS if wanted in one.id and not any(other in one.id for other in others)]

    assert found == [case.scenario.id]
    assert case.fault in case.scenario.faults
    assert kind in {case.fault.kind, *(part.kind for part in parts(case.fault))}
