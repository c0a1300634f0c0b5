"""What a kubeconfig says of a context, and what is said of one that cannot be used."""

from __future__ import annotations

import base64
from typing import TYPE_CHECKING, Any

import pytest
import yaml

from harness.cluster.controlplane import credentials
from harness.cluster.kubeconfig import contexts, load
from harness.errors import UsageError

if TYPE_CHECKING:
    from pathlib import Path

    from harness.cluster.controlplane import Credentials


@pytest.fixture(scope="module")
def keys(tmp_path_factory: pytest.TempPathFactory) -> Credentials:
    """Certificates of a cluster."""
    return credentials(tmp_path_factory.mktemp("keys") / "pki", operator_user="operator")


def written(directory: Path, user: dict[str, Any], **cluster: Any) -> Path:
    """A kubeconfig with one context, `lab`, and another without a cluster."""
    body = {
        "apiVersion": "v1",
        "kind": "Config",
        "clusters": [{"name": "c", "cluster": {"server": "https://127.0.0.1:6443", **cluster}}],
        "users": [{"name": "u", "user": user}],
        "contexts": [
            {"name": "lab", "context": {"cluster": "c", "user": "u"}},
            {"name": "orphan", "context": {"cluster": "gone", "user": "u"}},
        ],
    }
    path = directory / "kubeconfig"
    path.write_text(yaml.safe_dump(body), encoding="utf-8")
    return path


def encoded(path: Path) -> str:
    """As a kubeconfig holds files."""
    return base64.b64encode(path.read_bytes()).decode()


def test_certificates_and_their_authority_are_taken(tmp_path: Path, keys: Credentials) -> None:
    """As data, which is how kind, K3s and the harness write them."""
    user = {"client-certificate-data": encoded(keys.admin.cert), "client-key-data": encoded(keys.admin.key)}
    authority = encoded(keys.authority.cert)
    found = load(written(tmp_path, user, **{"certificate-authority-data": authority}), "lab")

    assert (found.server, found.host, found.verified) == ("https://127.0.0.1:6443", "127.0.0.1", True)
    assert found.ca == keys.authority.cert.read_bytes()
    assert found.headers == {}


def test_a_token_is_taken_and_not_shown(tmp_path: Path) -> None:
    """It is in the header of each request, and in no text about the access."""
    found = load(written(tmp_path, {"token": "abc.def"}, **{"insecure-skip-tls-verify": True}), "lab")

    assert found.headers == {"Authorization": "Bearer abc.def"}
    assert not found.verified
    assert "abc.def" not in repr(found)


def test_a_way_that_is_not_supported_is_named(tmp_path: Path) -> None:
    """A proxy would be passed by otherwise, and another cluster reached perhaps."""
    path = written(tmp_path, {"token": "t"}, **{"proxy-url": "http://127.0.0.1:3128"})

    with pytest.raises(UsageError, match="context 'lab' has a proxy, which is not supported"):
        load(path, "lab")


@pytest.mark.parametrize("context", ["nowhere", ""])
def test_a_context_that_is_not_there_is_named_with_those_that_are(tmp_path: Path, context: str) -> None:
    """One that vanished is told as what it is."""
    path = written(tmp_path, {"token": "t"})

    with pytest.raises(UsageError, match=f"--context {context!r}: .* has no such context") as caught:
        load(path, context)
    assert "lab, orphan" in caught.value.hint
    assert contexts(path) == ("lab", "orphan")


def test_a_context_whose_cluster_is_missing_cannot_be_used(tmp_path: Path) -> None:
    """The error names file and context."""
    with pytest.raises(UsageError, match="context 'orphan' cannot be used"):
        load(written(tmp_path, {"token": "t"}), "orphan")


@pytest.mark.parametrize(
    ("content", "said"),
    [
        (None, "there is no such file"),
        (b"\xff\xfe\x00", "it cannot be read: it is no text"),
        (b"a: [", "it is no YAML"),
        (b"just words", "it is no kubeconfig"),
        (b"{}", "it is no kubeconfig"),
    ],
    ids=["missing", "binary", "broken", "text", "empty"],
)
def test_a_file_that_is_no_kubeconfig_is_refused(tmp_path: Path, content: bytes | None, said: str) -> None:
    """In one sentence that names it."""
    path = tmp_path / "given"
    if content is not None:
        path.write_bytes(content)

    with pytest.raises(UsageError, match=f"--kubeconfig .*given: {said}"):
        load(path, "lab")


def test_a_certificate_that_is_none_is_refused(tmp_path: Path) -> None:
    """What is in the file is no authority's."""
    garbage = base64.b64encode(b"-----BEGIN CERTIFICATE-----\nnone\n-----END CERTIFICATE-----\n").decode()

    with pytest.raises(UsageError, match="the certificates of context 'lab' cannot be used"):
        load(written(tmp_path, {"token": "t"}, **{"certificate-authority-data": garbage}), "lab")
