"""On which datastore a scenario is run, and what the run is called."""

from __future__ import annotations

from pathlib import Path

import pytest

from harness import faults
from harness.cluster.datastore import KINDS, DatastoreSpec
from harness.errors import UsageError
from harness.run.choose import choose, optional_parts
from harness.run.engine import Setup
from harness.run.plan import label_of
from harness.scenario import Scenario
from harness.toolchain import Toolchain

ANYWHERE = Scenario(id="chaos/anywhere", promises=("TRUTH-1",))
MEMBERS = Scenario(id="chaos/members", promises=("TRUTH-1",), faults=(faults.MemberKilled(),))
SQL_FIRST = Scenario(id="chaos/sql", promises=("TRUTH-1",), datastores=("postgres", "mysql", "etcd"))
URL = "mysql://me:tell-nobody@db/shop"


def setup_on(spec: DatastoreSpec | None) -> Setup:
    """What the runs of a campaign on that datastore share."""
    return Setup(Toolchain({}, {}, {}, {}), choose("reference", None), Path("out"), 1, datastore=spec)


@pytest.mark.parametrize(("scenario", "usual"), [(ANYWHERE, "etcd"), (MEMBERS, "etcd3"), (SQL_FIRST, "postgres")])
def test_a_scenario_runs_on_its_usual_datastore(scenario: Scenario, usual: str) -> None:
    """Where none is asked for it is the first possible one, and the run has the scenario's own name."""
    spec = setup_on(None).spec(scenario)

    assert spec == DatastoreSpec(usual)
    assert label_of(scenario, spec.kind) == scenario.id


@pytest.mark.parametrize("kind", KINDS)
def test_a_run_elsewhere_is_called_after_its_datastore(kind: str) -> None:
    """Runs of one scenario on several datastores have different names."""
    spec = setup_on(DatastoreSpec(kind)).spec(ANYWHERE)

    assert spec.kind == kind
    assert label_of(ANYWHERE, spec.kind) == ("chaos/anywhere" if kind == "etcd" else f"chaos/anywhere@{kind}")


def test_a_url_is_no_part_of_a_name() -> None:
    """A run on a server that is there already is called after its kind, and nothing shows the password."""
    setup = setup_on(DatastoreSpec("mysql", URL))
    spec = setup.spec(SQL_FIRST)

    assert spec.url == URL
    assert label_of(SQL_FIRST, spec.kind) == "chaos/sql@mysql"
    assert "tell-nobody" not in repr(setup) + repr(spec)


@pytest.mark.parametrize(("scenario", "kind"), [(MEMBERS, "etcd"), (MEMBERS, "sqlite"), (SQL_FIRST, "etcd3")])
def test_what_is_not_possible_is_refused(scenario: Scenario, kind: str) -> None:
    """The error names scenario and datastore, and the hint where it is possible."""
    with pytest.raises(UsageError, match=f"{scenario.id} is not possible on {kind}") as caught:
        setup_on(DatastoreSpec(kind)).spec(scenario)

    assert caught.value.hint == f"it is on {', '.join(scenario.possible_on)}"


@pytest.mark.parametrize(
    ("kinds", "parts"), [((), ()), (("etcd", "etcd3"), ()), (("etcd", "sqlite", "postgres"), ("kine",))]
)
def test_what_several_datastores_need_is_brought_once(kinds: tuple[str, ...], parts: tuple[str, ...]) -> None:
    """SQL datastores need kine, whatever their number; etcd needs nothing optional."""
    assert optional_parts(DatastoreSpec(kind) for kind in kinds) == parts
