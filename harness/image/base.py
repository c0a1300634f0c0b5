"""What every image of ours has beneath the operator: certificates, /tmp, and programs that a deployment calls in it.

The programs come from this machine with the shared libraries they need, where they are installed: tini, which stands
before the operator in the public image and hands signals on; bash, curl and jq, which the liveness script needs.
"""

from __future__ import annotations

import shutil
import ssl
from pathlib import Path
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.image.archive import Recipe

if TYPE_CHECKING:
    from harness.image.files import Files

INIT = "tini"
SCRIPT_PROGRAMS = ("bash", "curl", "jq")
"""What the liveness script needs."""

CERTIFICATES = "/etc/ssl/certs/ca-certificates.crt"
COMMAND = "provider-services"
"""What discovery pods and deployments call (contract.md part A, "Discovery pod")."""

_BUNDLES = (CERTIFICATES, "/etc/pki/tls/certs/ca-bundle.crt", "/etc/ssl/cert.pem", "/etc/ssl/ca-bundle.pem")
_NAMES = ("/usr/share/misc/pci.ids", "/usr/share/hwdata/pci.ids")
_PATH = "/usr/local/bin:/usr/bin:/bin"


def furnish(files: Files) -> tuple[str, ...]:
    """Put it there; what is missing on this machine is told, one line each."""
    files.directory("/tmp", shared=True)  # noqa: S108 - of the image
    files.directory("/root")
    files.text("/etc/passwd", "root:x:0:0:root:/root:/bin/sh\nnobody:x:65534:65534:nobody:/:/bin/false\n")
    files.text("/etc/group", "root:x:0:\nnogroup:x:65534:\n")
    files.text("/etc/nsswitch.conf", "hosts: files dns\n")
    notes: list[str] = []
    bundle = _first(*_BUNDLES, ssl.get_default_verify_paths().openssl_cafile)
    if bundle is None:
        notes.append("no CA certificates: this machine has none (install ca-certificates)")
    else:
        files.copy(CERTIFICATES, bundle)
    if (names := _first(*_NAMES)) is not None:
        files.copy(_NAMES[0], names)
    notes += [note for name in (INIT, *SCRIPT_PROGRAMS) if (note := _program(files, name))]
    if has(files, "bash"):
        files.link("/bin/sh", "/usr/bin/bash")
        files.link("/bin/bash", "/usr/bin/bash")
    return tuple(notes)


def has(files: Files, program: str) -> bool:
    """Whether a program has been put there."""
    return any(str(path) == f"/usr/bin/{program}" for path in files.entries)


def recipe(files: Files, *more: tuple[str, str]) -> Recipe:
    """How an image of these files starts: as the public one does, with tini first, where that is there."""
    environment = [("PATH", _PATH), ("SSL_CERT_FILE", CERTIFICATES), ("HOME", "/root"), *more]
    if files.library_dirs:
        environment.append(("LD_LIBRARY_PATH", ":".join(sorted(files.library_dirs))))
    return Recipe(
        entrypoint=(f"/usr/bin/{INIT}", "--") if has(files, INIT) else (),
        command=(COMMAND, "--help"),
        environment=tuple(environment),
    )


def _first(*names: str) -> Path | None:
    return next((path for name in names if name and (path := Path(name)).is_file()), None)


def _program(files: Files, name: str) -> str:
    """Put a program of this machine there; why not, when it is not."""
    found = shutil.which(name)
    if found is None:
        return f"no {name}: this machine has none"
    try:
        files.program(f"/usr/bin/{name}", Path(found).resolve())
    except UsageError as exc:
        return f"no {name}: {exc.what}"
    return ""
