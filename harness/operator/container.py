"""The operator as its users deploy it: a pod of a Deployment, with the surface of a process (`operator.process`).

Its kubelet is its supervisor, always: a Deployment knows no other restart policy. What happens to its containers is
noted as what happens to a process is, with the number of the container in the place of the process id.
"""

from __future__ import annotations

import contextlib
import signal
from contextlib import asynccontextmanager
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Any, Protocol

from harness.cluster.base import POD_NAMESPACE
from harness.errors import ApiError, ClusterError, OperatorError, WaitTimeoutError
from harness.operator import manifests, podlife
from harness.operator.forward import LOOPBACK, Forward, Sight, follow
from harness.operator.manifests import CONTAINER, GRPC_PORT, NAME, OWN, PODS, REST_PORT, SELECTOR
from harness.operator.podlife import HARNESS, Life, Lives
from harness.operator.podwatch import PodWatch
from harness.process.child import last_words
from harness.wait import Progress, until

if TYPE_CHECKING:
    from collections.abc import AsyncIterator, Callable, Mapping
    from pathlib import Path

    from harness.cluster.base import Machine
    from harness.cluster.client import KubeClient, Tunnel
    from harness.operator.base import OperatorSpec
    from harness.operator.manifests import Deployed

START_DEADLINE_S = 90.0
END_DEADLINE_S = 30.0
_GRACE_S = 5
"""What is asked to end is given as long as a process of ours."""

_LAST_WORDS_S = 3.0
"""How long the end of a container waits for what it said last, and for the event that tells who ended it."""

_CORE = f"/api/v1/namespaces/{POD_NAMESPACE}"
_DEPLOYMENTS = OWN[0]


class Host(Protocol):
    """What a cluster has to do for an operator in a pod, beside its API."""

    @property
    def client(self) -> KubeClient:
        """The harness's own access."""
        ...

    @property
    def machines(self) -> Mapping[str, Machine]:
        """Node -> the machine under it, as far as they can be reached from outside."""
        ...


@dataclass(slots=True)
class OperatorPod:
    """One operator, across its containers and pods.

    `note` is called with event=, pid=, cause=, code=, detail= as that of a process, and with at=, the moment in
    monotonic seconds, of what is noted later than it was seen. `gap`: as of `Sight`, when the way to it is shut.
    """

    spec: OperatorSpec
    host: Host
    deployed: Deployed
    rest_port: int
    grpc_port: int
    log_dir: Path
    note: Callable[..., Any]
    gap: Callable[[str, str, float], None]
    supervised: bool = True
    sight: Sight = field(init=False)
    _client: KubeClient = field(init=False)
    _forwards: tuple[Forward, ...] = ()
    _watch: PodWatch = field(init=False)

    def __post_init__(self) -> None:
        self.sight = Sight(self.gap)
        self._client = self.host.client.unlimited()
        self._watch = PodWatch(self._client, self.log_path, self.note, self._listen)

    @property
    def lives(self) -> Lives:
        """Its containers, as far as they are known."""
        return self._watch.lives

    @property
    def running(self) -> bool:
        """Whether a container of it runs now, as far as the API server has told."""
        return self.lives.current is not None

    @property
    def pid(self) -> int:
        """The number of the container that runs now; 0 when there is none."""
        return self.lives.current.number if self.lives.current is not None else 0

    @property
    def rest_url(self) -> str:
        """The base URL of its REST API, here."""
        return f"http://{LOOPBACK}:{self.rest_port}"

    @property
    def grpc_target(self) -> str:
        """The address of its gRPC API, here."""
        return f"{LOOPBACK}:{self.grpc_port}"

    async def start(self) -> None:
        """Deploy it, or let it be there again; returns when a container of it has been started.

        Raises OperatorError, saying what the cluster says, when there is none within the deadline, or never will be.
        """
        if self.running:
            return
        before = len(self.lives.seen)
        if self._forwards:
            await self._scale(1)
        else:
            await self._deploy()

        async def up(progress: Progress) -> bool | None:
            progress.last = podlife.progress(self.lives.pods.values(), CONTAINER)
            if len(self.lives.seen) > before:
                return True
            reason, message = podlife.hindrance(self.lives.pods.values(), CONTAINER)
            if reason in podlife.NO_IMAGE | podlife.NO_START and reason != podlife.FIRST_PULL:
                raise self._hindered(reason, message)
            return None

        try:
            await until(
                "the operator's pod", up, deadline_s=START_DEADLINE_S, changed=self._watch.changed, interval_s=0.5
            )
        except WaitTimeoutError as exc:
            reason, message = podlife.hindrance(self.lives.pods.values(), CONTAINER)
            if reason:
                raise self._hindered(reason, message) from exc
            warnings = await self._warnings()
            raise OperatorError(
                f"the operator's pod did not start within {START_DEADLINE_S:g} s: {exc.last}{warnings}",
                hint=f"kubectl -n {POD_NAMESPACE} describe pod -l {SELECTOR}",
            ) from exc

    async def answering(self, deadline_s: float) -> None:
        """Return when it has answered over REST, whatever it said; raises OperatorError with its last words if not."""
        from harness.operator.api import REFUSED, TIMEOUT, RestReader  # noqa: PLC0415

        async with RestReader(self.rest_url, 2.0) as reader:

            async def answered(progress: Progress) -> bool | None:
                reason, _message = podlife.hindrance(self.lives.pods.values(), CONTAINER)
                if reason == "CrashLoopBackOff":
                    raise OperatorError(
                        f"--operator {self.spec.name}: its container ends again and again ({self._codes()}) before it "
                        f"answered anything; its last lines:\n{self.last_words() or '(nothing)'}",
                        hint="is it the image of an inventory operator (provider-services)?",
                    )
                answer = await reader.get(fresh=True)
                progress.last = answer.error
                return None if answer.outcome in {REFUSED, TIMEOUT} else True

            try:
                await until("an answer on its REST port", answered, deadline_s=deadline_s, interval_s=0.2)
            except WaitTimeoutError as exc:
                raise OperatorError(
                    f"--operator {self.spec.name} never answered GET /v1/inventory within {deadline_s:g} s "
                    f"({exc.last}); its last lines:\n{self.last_words() or '(nothing)'}",
                    hint=f"does it listen on the ports {REST_PORT} and {GRPC_PORT}, or on those of its own pod?",
                ) from exc

    async def kill(self, *, again: bool = True) -> None:
        """SIGKILL, noted as the harness's doing. Its kubelet starts it again, unless not `again`.

        Where no signal can be sent from outside the pod is deleted without grace, and the Deployment makes another.
        """
        life = self._require()
        self._watch.ended_by[life.id] = HARNESS
        if not again:
            await self._scale(0)
        if not again or not await self._signal(life, signal.SIGKILL):
            await self._client.delete(f"{PODS}/{life.pod}", grace_s=0)
        await self._end_of(life)

    async def interrupt(self, *, again: bool = True) -> int:
        """SIGINT, then SIGKILL when it has not ended; the exit code."""
        life = self._require()
        self._watch.ended_by[life.id] = HARNESS
        if not again:
            await self._scale(0)  # and that sends SIGTERM: a Deployment has no other way to end
        elif not await self._signal(life, signal.SIGINT):
            await self._inside(life, "kill -INT 1")
        return await self._ended(life)

    async def terminate(self) -> int:
        """SIGTERM as a kubelet sends it to a deleted pod, then SIGKILL; the exit code. There is another pod then."""
        life = self._require()
        self._watch.ended_by[life.id] = HARNESS
        await self._client.delete(f"{PODS}/{life.pod}", grace_s=_GRACE_S)
        return await self._ended(life)

    async def stop(self) -> None:
        """Take it out of the cluster, at once. A cluster that is away, and is about to end, keeps it."""
        await self._watch.end()
        for forward in self._forwards:
            await forward.close()
        with contextlib.suppress(ClusterError):
            for path in OWN:
                await self._client.delete(f"{path}/{NAME}")
            for pod in (await self._watch.listed())["items"]:
                await self._client.delete(f"{PODS}/{pod['metadata']['name']}", grace_s=0)
        await self._client.__aexit__()

    def last_words(self) -> str:
        """What it said about its own end, or last."""
        return last_words(self.log_path)

    @property
    def log_path(self) -> Path:
        """Where its output goes, as a process's would."""
        return self.log_dir / "operator.stderr.log"

    async def _deploy(self) -> None:
        """Put everything into the cluster that it is deployed with, and open the way to it."""
        await self._client.__aenter__()
        self.log_path.touch()
        await self._client.ensure(f"{_CORE}/serviceaccounts", manifests.account())
        for path, body in zip(
            OWN, (manifests.deployment(self.deployed), manifests.service(), manifests.config_map(self.deployed)),
            strict=True,
        ):  # fmt: skip
            await self._apply(path, body)
        ports = ((self.rest_port, REST_PORT), (self.grpc_port, GRPC_PORT))
        self._forwards = tuple(Forward(local, port, self._dial, self.sight) for local, port in ports)
        self._watch.spawn(self._watch.follow_pods())
        self._watch.spawn(follow(self._client, self.sight))
        if self.deployed.liveness:
            self._watch.spawn(self._watch.follow_probes())

    async def _apply(self, path: str, body: Mapping[str, Any]) -> None:
        try:
            await self._client.create(path, body)
        except ApiError as exc:
            if exc.status != 409:
                raise
            await self._client.patch(f"{path}/{NAME}", body)

    async def _scale(self, replicas: int) -> None:
        await self._client.patch(f"{_DEPLOYMENTS}/{NAME}", {"spec": {"replicas": replicas}})

    @asynccontextmanager
    async def _dial(self, port: int) -> AsyncIterator[Tunnel]:
        life = self.lives.current
        if life is None:
            raise ClusterError("no container of the operator runs")
        async with self._client.tunnel(POD_NAMESPACE, life.pod, port) as tunnel:
            yield tunnel

    async def _signal(self, life: Life, number: signal.Signals) -> bool:
        """Send a signal to the container's first process from its node; False where nobody can reach the node.

        SIGKILL has no other way: the kernel keeps it from a first process when it comes from within its container.
        """
        machine = self.host.machines.get(life.node)
        if machine is None:
            return False
        identity = life.id.rpartition("/")[2]
        await machine.exec("ctr", "--namespace", "k8s.io", "task", "kill", "--signal", number.name, identity)
        return True

    async def _inside(self, life: Life, command: str) -> None:
        try:
            await self._client.execute(POD_NAMESPACE, life.pod, CONTAINER, ["bash", "-c", command])
        except ApiError as exc:
            raise OperatorError(
                f"`{command}` cannot be done in the operator's container: {exc.what}",
                hint="its image needs bash, or the backend a way to its nodes",
            ) from exc

    async def _ended(self, life: Life) -> int:
        """The exit code, after a kill if need be."""
        try:
            await self._end_of(life, deadline_s=_GRACE_S + _LAST_WORDS_S)
        except WaitTimeoutError:
            await self.kill()
        code = self.lives.seen[life.id].code
        return 0 if code is None else code

    async def _end_of(self, life: Life, *, deadline_s: float = END_DEADLINE_S) -> None:
        """Return when the end of a container is noted; raises WaitTimeoutError."""

        async def noted(progress: Progress) -> bool | None:
            progress.last = podlife.progress(self.lives.pods.values(), CONTAINER)
            return True if life.id in self._watch.told else None

        await until(f"the end of {life.pod}'s container", noted, deadline_s=deadline_s, changed=self._watch.changed)

    def _require(self) -> Life:
        if self.lives.current is None:
            raise OperatorError("no container of the operator runs")
        return self.lives.current

    def _hindered(self, reason: str, message: str) -> OperatorError:
        image = self.deployed.image
        if reason in podlife.NO_IMAGE:
            return OperatorError(
                f"--operator {self.spec.name}: the image {image} cannot be had by the node: {reason}: {message}",
                hint="name one that the node can pull, or give an archive: --operator image:/path/to/archive.tar; into "
                "the nodes of somebody's cluster it is for you to put (`harness image` says where it is)",
            )
        if reason in podlife.NO_START:
            return OperatorError(
                f"--operator {self.spec.name}: the image {image} cannot be started: {reason}: {message}",
                hint="it must be for the node's processor, and have provider-services on its PATH",
            )
        return OperatorError(
            f"the operator's pod is not scheduled: {message or reason}", hint="look at the nodes' taints and their room"
        )

    def _codes(self) -> str:
        return "exit codes " + ", ".join(str(life.code) for life in self.lives.seen.values() if life.ended)

    async def _warnings(self) -> str:
        """What the cluster warns of, about the operator's pods."""
        with contextlib.suppress(ClusterError):
            body = await self._client.get(f"{_CORE}/events", params={"fieldSelector": "type=Warning"})
            said = [
                str(one.get("message", "")).strip()
                for one in body["items"] if one["involvedObject"].get("name") in self.lives.pods
            ]  # fmt: skip
            return "".join(f"\n  {text}" for text in dict.fromkeys(said))
        return ""

    async def _listen(self) -> None:
        """Connections are taken while there is a container that can take them."""
        for forward in self._forwards:
            if self.lives.current is None:
                forward.shut()
            else:
                await forward.open()
        self._watch.changed.set()
