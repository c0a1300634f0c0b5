"""The external backend by its commands, on a cluster that another made: what is refused, told, done and undone."""

from __future__ import annotations

import asyncio
import os
import signal
import subprocess
from typing import TYPE_CHECKING, Any

import pytest

from harness.cluster.lease import LEASES
from harness.process.shim import command as shim
from harness.run.undo import left_in
from harness.wait import Progress, until
from tests.backends.somebody import CONTEXT, NODE, ROOT, Somebody, begun, command, harness, summary

if TYPE_CHECKING:
    from collections.abc import Callable, Iterator
    from pathlib import Path

    from harness.toolchain import Toolchain

CANNOT_RUN = 3
ALLOWED = ("--allow-destructive", f"operator,node/{NODE}", "--discovery-image", "somebody.invalid/operator:1")
LEASE = f"{LEASES}/inventory-harness"
HARMED_DEADLINE_S = 240.0
LASTING = """
from harness import Churn, Run, Scenario, faults

LASTING = Scenario(
    id="shared/cordoned-for-long", promises=("TRUTH-1",), machines=1, faults=(faults.NodeCordoned(for_s=100.0),),
    traffic=Churn(plain=True, labels=False),
)


def test_cordoned(run: Run) -> None:
    run(LASTING)
"""
"""Long enough for other commands on a machine that is busy."""


@pytest.fixture(scope="module")
def somebody(toolchain: Toolchain, runs: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Somebody]:
    """The cluster."""
    del runs
    with asyncio.Runner() as loop:
        cluster = loop.run(begun(toolchain))
        yield Somebody(cluster, loop, tmp_path_factory.mktemp("kubeconfigs"))
        loop.run(cluster.stop())


def refused(somebody: Somebody, *arguments: str) -> str:
    """The one error of a command that must change nothing."""
    before = somebody.there()
    code, out, errors = harness(*arguments)
    assert code == CANNOT_RUN, out + errors
    said = [line for line in errors.splitlines() if line.startswith("harness: ")]
    assert len(said) == 1, errors
    assert "Traceback" not in out + errors
    assert somebody.there() == before
    return errors


def test_without_a_context_nothing_is_done(somebody: Somebody, tmp_path: Path) -> None:
    """The current one may be anybody's; those that there are are named."""
    said = refused(
        somebody, "run", "--backend", "external", "--kubeconfig", str(somebody.kubeconfig), "--out", f"{tmp_path}/out"
    )

    assert "needs --context" in said
    assert CONTEXT in said


def test_a_context_that_vanished_is_named(somebody: Somebody, tmp_path: Path) -> None:
    """Also to `harness undo`."""
    said = refused(somebody, "run", *somebody.arguments(context="gone"), *ALLOWED, "--out", f"{tmp_path}/out")
    assert "--context 'gone'" in said

    said = refused(somebody, "undo", str(tmp_path), "--kubeconfig", str(somebody.kubeconfig), "--context", "gone")
    assert "has no such context" in said


def test_without_leave_nothing_is_applicable(somebody: Somebody, tmp_path: Path) -> None:
    """Each scenario is told with what it lacks."""
    said = refused(somebody, "run", *somebody.arguments(), "-k", "shared", "--out", f"{tmp_path}/out")

    assert "nothing of what was asked for is applicable" in said
    assert "operator: an operator can be run" in said


@pytest.mark.parametrize("words", [("--dry-run",), ()], ids=["dry", "run"])
def test_a_node_that_is_not_there_is_refused(somebody: Somebody, tmp_path: Path, words: tuple[str, ...]) -> None:
    """Once, before the first scenario, not once for each."""
    allowed = ("--allow-destructive", "operator,node/elsewhere", "--discovery-image", "x:1")
    said = refused(somebody, "run", *somebody.arguments(), *allowed, *words, "-k", "shared", "--out", f"{tmp_path}/out")

    assert "node/elsewhere: there is no such node" in said


def test_a_cluster_with_an_operator_is_refused(somebody: Somebody, tmp_path: Path) -> None:
    """Its namespace and the labels of its nodes are told in one error, and no word makes them meant."""
    client, node = somebody.cluster.client, "/api/v1/nodes/worker-2"

    async def put(*, there: bool) -> None:
        await client.patch(node, {"metadata": {"labels": {"akash.network": "true" if there else None}}})
        if there:
            meta = {"name": "tenant-a"}
            await client.create("/api/v1/namespaces", {"apiVersion": "v1", "kind": "Namespace", "metadata": meta})
            return
        await client.delete("/api/v1/namespaces/tenant-a")

        async def gone(progress: Progress) -> bool | None:
            names = [item["metadata"]["name"] for item in (await client.get("/api/v1/namespaces"))["items"]]
            progress.last = ", ".join(names)
            return "tenant-a" not in names or None

        await until("the namespace to be gone", gone, deadline_s=120.0, interval_s=0.3)

    somebody.loop.run(put(there=True))
    try:
        said = refused(somebody, "run", *somebody.arguments(), *ALLOWED, "-k", "shared", "--out", f"{tmp_path}/out")
    finally:
        somebody.loop.run(put(there=False))

    assert "looks like a cluster that somebody lives on" in said
    assert "has labelled its nodes (worker-2)" in said
    assert "namespace tenant-a, which is not the harness's" in said
    assert "choose another cluster" in said


def test_credentials_that_expired_and_servers_that_are_away_are_told(somebody: Somebody, tmp_path: Path) -> None:
    """Each by what can be done about it."""
    expired = somebody.altered("expired.kubeconfig", token="not-a-token")
    away = somebody.altered("away.kubeconfig", server="https://127.0.0.1:9")

    for kubeconfig, text in ((expired, "refuses its credentials (401)"), (away, "does not answer")):
        given = somebody.arguments(kubeconfig=kubeconfig)
        assert text in refused(somebody, "run", *given, *ALLOWED, "-k", "shared", "--out", f"{tmp_path}/out-{text[0]}")


def test_a_dry_run_tells_every_change_and_makes_none(somebody: Somebody) -> None:
    """With the operator in a pod as well; what is not applicable is told with the reason."""
    before = somebody.there()
    allowed = ("--allow-destructive", f"operator,node/{NODE},drain,delete", "--operator-in", "pod")

    code, out, errors = harness("run", *somebody.arguments(), *allowed, "-k", "shared", "--dry-run")

    assert code == 0, errors
    assert somebody.there() == before
    for told in (
        "create Namespace akash-services at /api/v1/namespaces", "create Deployment operator-inventory",
        f'patch /api/v1/nodes/{NODE} {{"spec":{{"unschedulable":true}}}}', f"delete /api/v1/nodes/{NODE}",
        "shared/rights-revoked:", "delete /api/v1/namespaces/tenant-b",
        "not applicable:  shared/configuration-changed: needs config-file",
    ):  # fmt: skip
        assert told in out, out


def test_a_dry_run_is_of_one_command_alone(somebody: Somebody, tmp_path: Path) -> None:
    """Where nothing is told nothing is done either."""
    said = refused(somebody, "conformance", *somebody.arguments(), *ALLOWED, "--dry-run", "--out", f"{tmp_path}/out")

    assert "--dry-run is of `harness run`" in said


def test_who_may_only_read_can_only_look(somebody: Somebody, tmp_path: Path) -> None:
    """What is missing to act is told in one error; the credentials need no right to write to be asked that."""
    given = somebody.arguments(kubeconfig=somebody.looker())
    said = refused(somebody, "run", *given, *ALLOWED, "-k", "shared", "--out", f"{tmp_path}/out")

    assert "the credentials may not: create namespaces, delete namespaces" in said
    assert "get pods/proxy" not in said
    assert "or only look" in said


def test_a_killed_harness_is_told_and_undone(somebody: Somebody, tmp_path: Path) -> None:
    """A second harness is refused while it lives; once it is dead its harm is undone, and all that it made removed."""
    before = somebody.there()
    file = tmp_path / "test_lasting.py"
    file.write_text(LASTING, encoding="utf-8")
    given = ("run", str(file), *somebody.arguments(), *ALLOWED)
    out = tmp_path / "killed"
    process = subprocess.Popen(
        shim(command(*given, "--out", str(out))), cwd=ROOT, env={**os.environ, "PYTHONPATH": str(ROOT)},
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True,
    )  # fmt: skip
    try:
        somebody.loop.run(_seen(somebody, f"/api/v1/nodes/{NODE}", _cordoned))
        assert somebody.get(LEASE) is not None
        code, said, errors = harness(*given, "--out", f"{tmp_path}/second")
        assert code == CANNOT_RUN, said + errors
        assert errors.count("another harness is at work on this cluster") == 1
    finally:
        process.send_signal(signal.SIGKILL)
        process.wait()

    (left,) = left_in(out)
    assert left.entry.fault == "node-cordoned"
    said = refused(somebody, *given, "--out", f"{tmp_path}/third")
    assert "harness undo" in said
    here = ("--kubeconfig", str(somebody.kubeconfig), "--context", CONTEXT)
    code, told, errors = harness("undo", str(out), *here, "--dry-run")
    assert (code, _cordoned(somebody.get(f"/api/v1/nodes/{NODE}"))) == (1, True), errors
    assert "made by a run: namespace akash-services" in told

    code, told, errors = harness("undo", str(out), *here)

    assert code == 0, told + errors
    assert f"undone: node-cordoned of {NODE}" in told
    assert left_in(out) == ()
    after = somebody.there()
    assert after == before
    code, told, _errors = harness("undo", str(out), *here)
    assert (code, "0 harms are not undone" in told) == (0, True)


def test_a_harm_is_undone_on_the_cluster_that_it_was_done_to(somebody: Somebody, tmp_path: Path) -> None:
    """A node of the same name elsewhere is another node; on a cluster of the harness's own nothing is left to undo."""
    bundle = tmp_path / "bundle"
    bundle.mkdir()
    entry = (
        '{"id":"0","fault":"node-cordoned","plan":{"kind":"node-cordoned"},"state":{"target":"%s"},"cluster":"%s"}\n'
    )
    here = ("--kubeconfig", str(somebody.kubeconfig), "--context", CONTEXT)
    for cluster, text in (("another", "was done to another cluster"), ("", "that the harness had made")):
        (bundle / "journal.jsonl").write_text(entry % (NODE, cluster), encoding="utf-8")
        assert text in refused(somebody, "undo", str(bundle), *here)


def test_a_run_ends_with_what_it_made(somebody: Somebody, tmp_path: Path) -> None:
    """The operator is true on somebody's nodes, and afterwards all is as it was."""
    before = somebody.there()

    code, said, errors = harness(
        "run", *somebody.arguments(), *ALLOWED, "-k", "shared/node-cordoned", "--out", f"{tmp_path}/out"
    )

    assert code == 0, said + errors
    assert [run["verdict"] for run in summary(tmp_path / "out")["scenarios"]] == ["PASS"]
    assert somebody.there() == before
    assert somebody.get(LEASE) is None


def _cordoned(node: Any) -> bool:
    return bool(node is not None and node["spec"].get("unschedulable"))


async def _seen(somebody: Somebody, path: str, is_so: Callable[[Any], bool]) -> bool:
    async def looked(progress: Progress) -> bool | None:
        found = await somebody.found(path)
        progress.last = "it is there" if found is not None else "it is not there"
        return is_so(found) or None

    return await until(f"{path} to be so", looked, deadline_s=HARMED_DEADLINE_S, interval_s=0.1)
