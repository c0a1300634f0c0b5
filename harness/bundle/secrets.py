"""Credentials never stay in a bundle: what looks like one is taken out of every file.

The cluster of a run makes its own credentials and throws them away, but an operator may log what it was given, a SQL
server given by URL is somebody's, and who sends a bundle to others must not have to read it first. What is taken out is
known by its form; the text around it stays, and says that something was there.
"""

from __future__ import annotations

import json
import re
from typing import TYPE_CHECKING

from harness.bundle.manifest import CHECKSUMS_FILE, evidence
from harness.errors import HistoryError, PlatformError
from harness.history.record import decode, encode
from harness.history.writer import FILE_NAME

if TYPE_CHECKING:
    from pathlib import Path

_PRIVATE_KEY = (
    r"-----BEGIN [A-Z0-9 ]*PRIVATE KEY-----"
    r"(?:[A-Za-z0-9+/=\s\\:,-]{0,20000}?-----END [A-Z0-9 ]*PRIVATE KEY-----"
    # Cut off before its end: lines of base64, with line breaks of their own or as they stand in JSON.
    r"|(?:\s|\\[nr])*[A-Za-z0-9+/=\\\r\n]*)"
)
_TOKEN = r"\beyJ[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]{6,}\.[A-Za-z0-9_-]+"  # noqa: S105 - RFC 7519; eyJ is base64url of {"
_HEADER = r"(?i)\b((?:bearer|basic)\s+)(?!\[removed)[A-Za-z0-9._~+/-]{16,}=*"
_KUBECONFIG = r"(?i)\b((?:client-key-data|client-certificate-data|id-token|refresh-token)\\?\"?\s*:\s*\\?\"?)[\w+/=.-]+"
_TOKEN_FIELD = r"(?i)(\btoken\\?\"?\s*:\s*\\?\"?)(?=[\w+/=.-]*\d)[\w+/=.-]{20,}"  # noqa: S105 - its form, no token
_URL = r"(?i)\b([a-z][a-z0-9+.-]*://[^\s/:@\"'\\]*:)(?!\[removed)[^\s/@\"'\\]+(?=@)"
_DSN = r"\b([\w.-]+:)(?!\[removed)[^\s/@\"'\\]+(?=@(?:tcp|unix)\()"
_PARAMETER = r"(?i)\b((?:password|passwd|pwd)=)(?!\[removed)[^\s&\"'\\;,]+"

_FORMS: tuple[tuple[re.Pattern[str], str], ...] = (
    (re.compile(_PRIVATE_KEY), "[removed: a private key]"),
    (re.compile(_TOKEN), "[removed: a token]"),
    (re.compile(_HEADER), r"\1[removed: a token]"),
    (re.compile(_KUBECONFIG), r"\1[removed: a credential]"),
    (re.compile(_TOKEN_FIELD), r"\1[removed: a token]"),
    (re.compile(_URL), r"\1[removed: a password]"),
    (re.compile(_DSN), r"\1[removed: a password]"),
    (re.compile(_PARAMETER), r"\1[removed: a password]"),
)

_SIGNS = re.compile(rb"(?i)private key|eyj|bearer|basic|-data|token|@|passw|pwd=")
"""Where any of the forms is, this is as well, and looking for it is faster."""


def without_secrets(text: str) -> str:
    """The text without anything that has the form of a credential. Doing it again changes nothing."""
    for form, instead in _FORMS:
        text = form.sub(instead, text)
    return text


def scrub(bundle: Path) -> list[str]:
    """Take credentials out of every file of a bundle; returns the names of those that were changed.

    A changed line of the history gets a new checksum. Raises HistoryError for a bundle that is sealed already (its
    checksums would be wrong), PlatformError when a file cannot be written.
    """
    if (bundle / CHECKSUMS_FILE).exists():
        raise HistoryError(f"{bundle} is sealed", hint="pack it: an archive is made without credentials")
    return [name for name in evidence(bundle) if _scrubbed(bundle / name)]


def _scrubbed(path: Path) -> bool:
    try:
        before = path.read_bytes()
        if not _SIGNS.search(before):
            return False
        after = clean(path.name, before)
        if after == before:
            return False
        draft = path.with_name(f"{path.name}.new")
        draft.write_bytes(after)
        draft.replace(path)
    except OSError as exc:
        raise PlatformError(f"cannot take credentials out of {path}: {exc.strerror}") from exc
    return True


def clean(name: str, content: bytes) -> bytes:
    """The content of a bundle's file without credentials; `name`: the file's, because a history has checksums."""
    if name != FILE_NAME:
        return without_secrets(content.decode("utf-8", "surrogateescape")).encode("utf-8", "surrogateescape")
    lines = content.split(b"\n")
    return b"\n".join(_line(line) if _SIGNS.search(line) else line for line in lines)


def _line(line: bytes) -> bytes:
    """A line of the history without credentials; a damaged one loses them as well, and stays damaged."""
    text = line.decode("utf-8", "surrogateescape")
    shown = without_secrets(text)
    if shown == text:
        return line
    try:
        record = decode(text)
    except (HistoryError, ValueError):
        return shown.encode("utf-8", "surrogateescape")
    return encode(json.loads(without_secrets(json.dumps(record)))).encode()
