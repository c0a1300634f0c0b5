"""Is this binary an inventory operator at all? Asked once, before any verdict is given about it."""

from __future__ import annotations

import asyncio
import contextlib
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.cluster import backend, capability, external
from harness.cluster.base import POD_NAMESPACE
from harness.cluster.embedded import EmbeddedCluster
from harness.cluster.external import ExternalBackend
from harness.errors import OperatorError, UsageError, WaitTimeoutError
from harness.image import store
from harness.operator.api import REFUSED, TIMEOUT, RestReader
from harness.operator.base import IMAGE, OperatorConfig, OperatorSpec, environment
from harness.operator.process import OperatorProcess
from harness.run.deployed import image, name_there
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import Iterable

    from harness.cluster.backend import Backend, BackendSpec
    from harness.image.store import Say
    from harness.toolchain import Toolchain

HELP_DEADLINE_S = 20.0
ANSWER_DEADLINE_S = 20.0
_FLAGS = ("--rest-port", "--grpc-port", "--kubeconfig")


def preflight(
    spec: OperatorSpec, toolchain: Toolchain, specs: Iterable[BackendSpec] = (), say: Say = store.silent
) -> None:
    """Raise OperatorError, saying what was seen, unless the program has the contract's flags and answers over REST.

    The answer may be anything: whether it is right is for the scenarios. Where nodes of these backends are real, the
    operator's image is made as well (`say` is told what is done), which raises UsageError and PlatformError. Whether
    what is in an image answers is seen when it is deployed. An image is refused where an operator must be a process. Of
    somebody's cluster all is looked at that would keep a run from beginning (`external.check`).
    """
    asked = [*specs] or [backend.USUAL]
    made = [(backend.make(one), one.operator_in) for one in asked]
    providers = [(provider, backend.operator_place(provider, place)) for provider, place in made]
    places = {place: provider.name for provider, place in providers}
    _of_somebody(spec, providers, say)
    if spec.rest_url:
        return
    if spec.image and backend.PROCESS in places:
        raise UsageError(
            f"--operator {IMAGE}{spec.image}: on {places[backend.PROCESS]} the operator is a process, not a container",
            hint="--backend kind, or give the path of the operator's binary",
        )
    if any(capability.KUBELET in provider.capabilities() for provider, _place in providers):
        for note in image(spec, say).notes:
            say(f"note: {note}")
    if spec.command and spec.sha256:
        _flags(spec)
        if "kube-apiserver" in toolchain.paths:
            asyncio.run(_answers(spec, toolchain))


def _of_somebody(spec: OperatorSpec, providers: Iterable[tuple[Backend, str]], say: Say) -> None:
    """Look at clusters of somebody; nothing is changed, and nothing put into their nodes."""
    for provider, place in providers:
        if not isinstance(provider, ExternalBackend):
            continue
        asyncio.run(external.check(provider, place))
        if place == backend.POD:
            say(f"the nodes of {provider.context} need the image {name_there(spec, say)}")


def _flags(spec: OperatorSpec) -> None:
    argv = [*spec.command, "operator", "inventory", "--help"]
    try:
        done = subprocess.run(
            argv, capture_output=True, text=True, errors="replace", timeout=HELP_DEADLINE_S, check=False,
            stdin=subprocess.DEVNULL, env=environment(spec, {"PATH": "/usr/bin:/bin", "HOME": tempfile.gettempdir()}),
        )  # fmt: skip
    except subprocess.TimeoutExpired as exc:
        raise OperatorError(
            f"--operator {spec.command[0]}: `operator inventory --help` gave no answer within {HELP_DEADLINE_S:g} s",
            hint="is it the operator's binary?",
        ) from exc
    except OSError as exc:
        raise OperatorError(
            f"--operator {spec.command[0]}: cannot be executed: {exc.strerror}", hint="is it a binary for this machine?"
        ) from exc
    missing = [flag for flag in _FLAGS if flag not in done.stdout + done.stderr]
    if done.returncode != 0 or missing:
        said = (done.stderr or done.stdout).strip()[-500:] or "(nothing)"
        raise OperatorError(
            f"--operator {spec.command[0]} is not an inventory operator: `operator inventory --help` ended with status "
            f"{done.returncode}{' and does not know ' + ', '.join(missing) if missing else ''}; it said:\n{said}",
            hint="give the path of a binary that is called as `BINARY operator inventory …` (provider-services)",
        )


async def _answers(spec: OperatorSpec, toolchain: Toolchain) -> None:
    logs = Path(tempfile.mkdtemp(prefix="inventory-harness-preflight-"))
    cluster = await EmbeddedCluster.start(toolchain)
    try:
        config = OperatorConfig(
            kubeconfig=cluster.operator_kubeconfig, rest_port=cluster.take_port(), grpc_port=cluster.take_port(),
            registry_url=cluster.registry_url, namespace=POD_NAMESPACE,
        )  # fmt: skip
        operator = OperatorProcess(spec, config, logs, cluster.env, _ignore)
        await operator.start()
        try:
            await _first_answer(spec, operator)
        finally:
            await operator.stop()
    finally:
        await cluster.stop()
        with contextlib.suppress(OSError):
            shutil.rmtree(logs)


async def _first_answer(spec: OperatorSpec, operator: OperatorProcess) -> None:
    async with RestReader(operator.rest_url, 2.0) as reader:

        async def answered(progress: Progress) -> bool | None:
            if operator.child is not None and not operator.running:
                raise OperatorError(
                    f"--operator {spec.command[0]} exited with {operator.child.exit_code} before it answered anything; "
                    f"its last lines:\n{operator.child.tail() or '(nothing)'}",
                    hint="does it run by hand with --kubeconfig of `harness cluster up`?",
                )
            answer = await reader.get()
            progress.last = answer.error
            return None if answer.outcome in {REFUSED, TIMEOUT} else True

        try:
            await until("an answer on its REST port", answered, deadline_s=ANSWER_DEADLINE_S, interval_s=0.1)
        except WaitTimeoutError as exc:
            tail = operator.child.tail() if operator.child is not None else ""
            raise OperatorError(
                f"--operator {spec.command[0]} never answered GET {operator.rest_url}/v1/inventory within "
                f"{ANSWER_DEADLINE_S:g} s ({exc.last}); its last lines:\n{tail or '(nothing)'}",
                hint="does it listen on --rest-address and --rest-port?",
            ) from exc


def _ignore(**_fields: Any) -> None:
    """The preflight keeps no history."""
