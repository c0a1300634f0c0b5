"""How a node image is put together, as far as that needs no container engine."""

from __future__ import annotations

import hashlib
import json
import tarfile
from types import MappingProxyType
from typing import TYPE_CHECKING

import pytest

from ci.node_image import archive, debian, overlay, pods, steps
from ci.node_image.__main__ import key_of
from ci.node_image.archive import Entry, Image
from harness.errors import PlatformError, ToolchainError
from harness.toolchain import Toolchain

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

PROGRAMS = ("kubelet", "kubeadm", "kubectl", "kube-apiserver", "kube-proxy", "etcd", "coredns")


@pytest.fixture
def tools(tmp_path: Path) -> Toolchain:
    """A toolchain of scripts."""
    folder = tmp_path / "tools"
    folder.mkdir()
    for name in PROGRAMS:
        (folder / name).write_text(f"#!/bin/sh\necho {name}\n", encoding="utf-8")
        (folder / name).chmod(0o755)
    return Toolchain(
        MappingProxyType({name: folder / name for name in PROGRAMS}),
        MappingProxyType(dict.fromkeys(PROGRAMS, "v1.34.4")),
        MappingProxyType(dict.fromkeys(PROGRAMS, "cache")),
        MappingProxyType({name: hashlib.sha256(name.encode()).hexdigest() for name in PROGRAMS}),
    )


@pytest.fixture
def module(tmp_path: Path) -> Path:
    """What is taken out of kind's module."""
    texts = {
        "LICENSE": "Apache",
        "images/base/files/usr/local/bin/entrypoint": "#!/bin/bash\n",
        "images/base/files/kind/bin/hook.sh": "#!/bin/bash\n",
        "images/base/files/etc/containerd/config.toml": 'version = 2\n  sandbox_image = "registry.k8s.io/pause:3.10"\n',
        "images/base/files/LICENSES/README.txt": "none\n",
        "pkg/cluster/internal/loadbalancer/const.go": 'const Image = "docker.io/kindest/haproxy:v1"\n',
    }
    for name, text in texts.items():
        path = tmp_path / "kind" / name
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, encoding="utf-8")
    return tmp_path / "kind"


def test_an_archive_is_equal_where_its_content_is(tmp_path: Path) -> None:
    """Neither times nor owners of this machine are in it."""
    source = tmp_path / "program"
    source.write_bytes(b"x" * 70_000)
    entries = [Entry("usr/bin/program", source=source, mode=0o755), Entry("etc/a", content=b"b"), Entry("l", link="/x")]
    archive.write(tmp_path / "one.tar", entries)
    source.touch()
    archive.write(tmp_path / "two.tar", entries)

    assert (tmp_path / "one.tar").read_bytes() == (tmp_path / "two.tar").read_bytes()
    with tarfile.open(tmp_path / "one.tar") as tar:
        found = {member.name: (member.mode, member.uid, member.size, member.linkname) for member in tar}
    assert found == {
        "usr/bin/program": (0o755, 0, 70_000, ""), "etc/a": (0o644, 0, 1, ""), "l": (0o644, 0, 0, "/x"),
    }  # fmt: skip


def test_images_are_what_their_configuration_says(tmp_path: Path) -> None:
    """Each layer's digest is that of the bytes in the archive, and every name leads to its program."""
    layers = {name: tmp_path / f"{name}.tar" for name in ("one", "two")}
    for name, layer in layers.items():
        archive.write(layer, [Entry(name, content=name.encode(), mode=0o755)])
    images = [
        Image((f"registry.invalid/{name}:v1", f"registry.invalid/{name}:v2"), layer, (f"/{name}",))
        for name, layer in layers.items()
    ]

    archive.write_images(tmp_path / "images.tar", images, arch="arm64")

    with tarfile.open(tmp_path / "images.tar") as tar:
        content = {member.name: read(tar, member) for member in tar}
    for entry, (name, layer) in zip(json.loads(content["manifest.json"]), layers.items(), strict=True):
        config = json.loads(content[entry["Config"]])
        assert entry["RepoTags"] == [f"registry.invalid/{name}:v1", f"registry.invalid/{name}:v2"]
        assert content[entry["Layers"][0]] == layer.read_bytes()
        assert config["rootfs"]["diff_ids"] == [f"sha256:{hashlib.sha256(layer.read_bytes()).hexdigest()}"]
        assert (config["architecture"], config["config"]["Entrypoint"]) == ("arm64", [f"/{name}"])


def read(tar: tarfile.TarFile, member: tarfile.TarInfo) -> bytes:
    """The content of a regular file."""
    stream = tar.extractfile(member)
    assert stream is not None
    return stream.read()


def test_the_overlay_has_kinds_files_the_programs_and_ours(module: Path, tools: Toolchain) -> None:
    """Scripts can be run; what is kind's own licence text of others stays out, its own goes in."""
    found = {entry.path: entry for entry in overlay.entries(module, tools)}

    assert found["usr/local/bin/entrypoint"].mode == found["kind/bin/hook.sh"].mode == 0o755
    assert found["etc/containerd/config.toml"].mode == 0o644
    assert found["usr/bin/kubelet"].source == tools.path("kubelet")
    assert found["kind/version"].content == b"v1.34.4"
    assert "LICENSES/kind" in found
    assert "LICENSES/README.txt" not in found
    for name in ("usr/local/bin/inventory-harness-entrypoint", "usr/local/bin/inventory-harness-network"):
        assert found[name].mode == 0o755


def test_names_are_read_from_kinds_module(module: Path) -> None:
    """The balancer's image and the sandbox's are kind's to name."""
    assert overlay.balancer_image(module) == "kindest/haproxy:v1"
    assert overlay.sandbox_image(module) == "registry.k8s.io/pause:3.10"


def test_a_module_that_names_no_image_is_told(module: Path) -> None:
    """A later kind may keep it elsewhere: that is an error, not an image without a name."""
    (module / "pkg/cluster/internal/loadbalancer/const.go").write_text("package loadbalancer\n", encoding="utf-8")
    (module / "images/base/files/etc/containerd/config.toml").write_text("version = 3\n", encoding="utf-8")

    with pytest.raises(ToolchainError, match=r"const\.go names no image of a load balancer"):
        overlay.balancer_image(module)
    with pytest.raises(ToolchainError, match=r"config\.toml names no image of a sandbox"):
        overlay.sandbox_image(module)


def test_pods_start_from_containerds_own_specification() -> None:
    """Limits are the node's, and kind's hook is added to those that are there."""
    printed = json.dumps({"process": {"rlimits": [1], "args": ["sh"]}, "hooks": {"createContainer": [{"path": "/a"}]}})

    spec = json.loads(overlay.runtime_spec(printed).content or b"")

    assert spec["process"] == {"args": ["sh"]}
    assert [hook["path"] for hook in spec["hooks"]["createContainer"]] == ["/a", "/kind/bin/mount-product-files.sh"]
    with pytest.raises(ToolchainError, match="printed no runtime specification"):
        overlay.runtime_spec("usage: ctr")


def test_each_image_holds_its_program(tmp_path: Path, tools: Toolchain) -> None:
    """kube-proxy has the packet filter beside it; pause has the name that containerd uses, too."""
    archive.write(tmp_path / "filter.tar", [Entry("usr/sbin/xtables-nft-multi", content=b"filter", mode=0o755)])
    pause = tools.path("etcd")
    references = {
        name: f"registry.k8s.io/{name}:v1" for name in ("kube-apiserver", "kube-proxy", "coredns", "pause", "etcd")
    }

    made = list(
        pods.images(references, tools, pause, tmp_path / "filter.tar", tmp_path, sandbox="registry.k8s.io/pause:3.10")
    )

    held = {image.names[0].rsplit("/", 1)[-1].split(":")[0]: members(image.layer) for image in made}
    assert held["kube-apiserver"] == {"usr/local/bin/kube-apiserver"}
    assert held["kube-proxy"] == {"usr/local/bin/kube-proxy", "usr/sbin/xtables-nft-multi"}
    assert held["pause"] == {"pause"}
    assert {image.names for image in made if len(image.names) > 1} == {
        ("registry.k8s.io/pause:3.10", "registry.k8s.io/pause:v1")
    }


def members(layer: Path) -> set[str]:
    """The names in an archive."""
    with tarfile.open(layer) as tar:
        return set(tar.getnames())


def test_kubeadm_says_which_images_are_wanted(tmp_path: Path) -> None:
    """By the last part of their names; a kubeadm that says nothing of the kind is an error."""
    kubeadm = tmp_path / "kubeadm"
    kubeadm.write_text(
        "#!/bin/sh\necho registry.k8s.io/kube-apiserver:$5\necho registry.k8s.io/coredns/coredns:v1.12.1\n",
        encoding="utf-8",
    )
    kubeadm.chmod(0o755)

    assert pods.wanted(kubeadm, "v1.34.4") == {
        "kube-apiserver": "registry.k8s.io/kube-apiserver:v1.34.4",
        "coredns": "registry.k8s.io/coredns/coredns:v1.12.1",
    }
    kubeadm.write_text("#!/bin/sh\necho nothing\nexit 1\n", encoding="utf-8")
    with pytest.raises(ToolchainError, match="gave no images: nothing"):
        pods.wanted(kubeadm, "v1.34.4")


def test_the_key_changes_with_whatever_the_image_is_made_of(tools: Toolchain, monkeypatch: pytest.MonkeyPatch) -> None:
    """A program, a package, or a line of our own: each gives another image."""
    keys = {key_of(tools), key_of(with_sha(tools, {"kubelet": "0" * 64}))}
    monkeypatch.setattr(debian, "PACKAGES", ("systemd",))
    keys.add(key_of(tools))
    monkeypatch.setattr(overlay, "key", lambda: "another")
    keys.add(key_of(tools))

    assert len(keys) == 4


def with_sha(tools: Toolchain, changed: Mapping[str, str]) -> Toolchain:
    """The same toolchain, with other programs."""
    return Toolchain(tools.paths, tools.versions, tools.sources, MappingProxyType({**tools.sha256, **changed}))


def test_without_mmdebstrap_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Nothing else makes a root file system of Debian packages here."""
    monkeypatch.setenv("PATH", str(tmp_path))

    with pytest.raises(PlatformError, match=r"no `mmdebstrap` on PATH[\s\S]*apt-get install mmdebstrap"):
        debian.make(tmp_path / "base.tar", arch="amd64", mirror="", scratch=tmp_path)


@pytest.mark.parametrize(
    ("command", "error", "told"),
    [
        ("echo one; echo two >&2; exit 3", ToolchainError, r"baking failed with status 3: one \| two"),
        ("exit 4", ToolchainError, "baking failed with status 4: no output"),
        ("echo 'write /x: No space left on device'; exit 1", PlatformError, r"no room left on the disk while baking"),
    ],
    ids=["words", "silence", "disk"],
)
def test_a_step_that_fails_says_why(command: str, error: type[Exception], told: str, tmp_path: Path) -> None:
    """Its last words, or that the disk is full."""
    with pytest.raises(error, match=told):
        steps.run(["sh", "-c", command], log=tmp_path / "log", doing="baking")


def test_what_a_step_prints_can_be_kept_apart_from_its_errors(tmp_path: Path) -> None:
    """An archive on stdout is not mixed with warnings, and stdin comes from a file."""
    (tmp_path / "in").write_text("bread", encoding="utf-8")

    steps.run(
        ["sh", "-c", "cat; echo warm >&2"], log=tmp_path / "out", doing="baking", stdin=tmp_path / "in",
        errors=tmp_path / "err",
    )  # fmt: skip

    assert ((tmp_path / "out").read_text(), (tmp_path / "err").read_text()) == ("bread", "warm\n")
