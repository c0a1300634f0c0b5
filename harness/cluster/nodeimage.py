"""Which image the nodes of a kind cluster are made of."""

from __future__ import annotations

from dataclasses import dataclass

from harness.cluster import dockercli
from harness.errors import ClusterError

REPOSITORY = "inventory-harness/node"
"""What `ci/node_image` names its images."""
KEY_LABEL = "inventory-harness.node-image"
"""The label with the key of what an assembled image was made of."""


@dataclass(frozen=True, slots=True)
class NodeImage:
    """`reference`: empty for the one that kind itself takes (and pulls). `source`: how it was chosen, for people."""

    reference: str
    source: str


def assembled(kubernetes: str) -> str:
    """The tag of the image that is assembled here for a version ("v1.34.4")."""
    return f"{REPOSITORY}:{kubernetes}"


def choose(given: str | None, kubernetes: str) -> NodeImage:
    """The image that the user named, else the one assembled here, else kind's own.

    One that is named need not be here: Docker pulls it. Raises ClusterError when the name is no image's name.
    """
    if given:
        if any(letter.isspace() for letter in given) or given.startswith("-"):
            raise ClusterError(f"--node-image: not the name of an image: {given!r}", hint="REPOSITORY:TAG")
        return NodeImage(given, "named by --node-image")
    tag = assembled(kubernetes)
    if dockercli.image_id(tag):
        return NodeImage(tag, "assembled by ci/node_image")
    return NodeImage("", "kind's own, from its registry")
