"""A node loses the image of discovery pods, as to an eager collector of images, and no registry has it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from harness.errors import FaultError
from harness.fault.base import DISCOVERY, State, World, pick_node
from harness.fault.discoverypod import PODS, Pod, of_node
from harness.fault.machine import BOOT_DEADLINE_S, SEEN_DEADLINE_S, machine_of
from harness.wait import Progress, until

_CTR = ("ctr", "--namespace", "k8s.io", "images")
KEPT = "inventory-harness.invalid/kept:discovery"
"""The name under which the image stays on the node meanwhile: what has no name is collected."""

UNHAD = frozenset({"ErrImagePull", "ImagePullBackOff", "ErrImageNeverPull"})
"""What a kubelet calls a container whose image it cannot have."""


@dataclass(frozen=True, slots=True)
class DiscoveryImageMissing:
    """A node has no image for discovery pods, and cannot pull it, for `for_s` seconds; its discovery pod is deleted."""

    for_s: float = 4.0
    node: str | None = None
    kind: ClassVar[str] = "discovery-image-missing"
    affects: ClassVar[tuple[str, ...]] = (DISCOVERY,)

    async def prepare(self, world: World) -> State:
        """The node, its discovery pods by name, and their image as the container runtime calls it."""
        name = pick_node(world, self.node)
        pods = await of_node(world, name)
        if not pods:
            raise FaultError(f"node {name} has no discovery pod")
        wanted = str(pods[0]["spec"]["containers"][0]["image"])
        listed = (await machine_of(world, name).exec(*_CTR, "list", "--quiet")).split()
        image = next((found for found in listed if found == wanted or found.endswith(f"/{wanted}")), "")
        if not image:
            raise FaultError(f"node {name} has no image {wanted}: it could not lose it")
        return {"target": name, "image": image, "pods": [pod["metadata"]["name"] for pod in pods]}

    async def inject(self, world: World, state: State) -> None:
        """Give the image another name, and delete the pods that have it still."""
        machine = machine_of(world, state["target"])
        await machine.exec(*_CTR, "tag", "--force", state["image"], KEPT)
        await machine.exec(*_CTR, "remove", "--sync", state["image"])
        for pod in state["pods"]:
            await world.cluster.client.delete(f"{PODS}/{pod}", grace_s=0)

    async def bitten(self, world: World, state: State) -> str:
        """A discovery pod of the node waits for its image."""

        async def waits(progress: Progress) -> str | None:
            reasons = [reason for pod in await of_node(world, state["target"]) for reason in waiting(pod)]
            progress.last = f"its containers wait for: {', '.join(reasons) or 'nothing'}"
            unhad = next((reason for reason in reasons if reason in UNHAD), "")
            return f"a discovery pod of the node waits: {unhad}" if unhad else None

        return await until("a discovery pod without an image", waits, deadline_s=SEEN_DEADLINE_S, interval_s=0.5)

    async def heal(self, world: World, state: State) -> None:
        """Give the image its name back, where it was taken."""
        machine = machine_of(world, state["target"])
        if KEPT in (await machine.exec(*_CTR, "list", "--quiet")).split():
            await machine.exec(*_CTR, "tag", "--force", KEPT, state["image"])
            await machine.exec(*_CTR, "remove", "--sync", KEPT)

    async def healed(self, world: World, state: State) -> None:
        """A discovery pod of the node runs, or there is none: to make one again is the operator's affair."""

        async def had(progress: Progress) -> bool | None:
            reasons = [reason for pod in await of_node(world, state["target"]) for reason in waiting(pod)]
            progress.last = f"its containers wait for: {', '.join(reasons) or 'nothing'}"
            return None if UNHAD & set(reasons) else True

        await until("the node to have the image again", had, deadline_s=BOOT_DEADLINE_S, interval_s=0.5)


def waiting(pod: Pod) -> list[str]:
    """Why containers of a pod wait, in their kubelet's words. Pure."""
    statuses = pod.get("status", {}).get("containerStatuses") or ()
    return [str(status["state"]["waiting"].get("reason", "")) for status in statuses if "waiting" in status["state"]]
