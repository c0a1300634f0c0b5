"""Assembles a node image for kind where no container registry is reachable: `python -m ci.node_image`.

Everything comes from package registries: a root file system of Debian packages, the Kubernetes programs of `harness
toolchain` (built from pinned Go modules), and the entrypoint and unit files of kind's own base image, which are taken
out of kind's Go module at that time. In order::

    base      a root file system by mmdebstrap, imported into Docker's engine
    overlay   kind's files, the programs, and our own files (files/), copied over it
    pods      the images that kubeadm asks for, each a static program on nothing, into containerd's store of the node
    commit    one image, under the tag that `harness run --backend kind` looks for; an archive of it in the cache

Whoever reaches a registry needs none of this: kind pulls its node image by itself.
"""
