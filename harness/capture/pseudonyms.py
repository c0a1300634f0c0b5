"""Other names for real ones: of the same length and shape, the same every time, and different where they differ.

A name is taken apart at whatever is neither letter nor digit. Each part gets another of its length, with small letters,
capitals and digits where it had them; the characters between stay. So a name keeps its length, its dots and dashes and
its digits in front, and names that begin with the same parts still do, which is what bugs of names depend on. What is
lost: the order of names, and a beginning that two parts share ("node1" and "node12").

The key is drawn for one capture and kept nowhere: who has the pseudonyms cannot make the names from them, nor tell
whether a guess is right.
"""

from __future__ import annotations

import hashlib
import re
import secrets
import string
from dataclasses import dataclass, field

KEPT = frozenset({"default", "kube-system", "kube-public", "kube-node-lease", "akash-services"})
"""Names that are the same in every cluster: they stay."""

_PART = re.compile(r"[^\W_]+")
_LETTERS, _CAPITALS, _DIGITS = string.ascii_lowercase, string.ascii_uppercase, string.digits
_TRIES = 5000
_KEY_BYTES = 32


@dataclass(slots=True)
class Pseudonyms:
    """The names of one capture."""

    key: bytes = field(default_factory=lambda: secrets.token_bytes(_KEY_BYTES), repr=False)
    _parts: dict[str, str] = field(default_factory=dict, repr=False)
    _taken: set[str] = field(default_factory=set, repr=False)

    def name(self, real: str) -> str:
        """The pseudonym of a name; of one of KEPT itself."""
        return real if real in KEPT else _PART.sub(lambda found: self._part(found[0]), real)

    def uid(self, real: str) -> str:
        """What stands for a uid: one for one, and of no use to anybody."""
        return hashlib.blake2b(real.encode(), key=self.key, digest_size=8).hexdigest()

    def _part(self, real: str) -> str:
        if real not in self._parts:
            self._parts[real] = self._drawn(real)
            self._taken.add(self._parts[real])
        return self._parts[real]

    def _drawn(self, real: str) -> str:
        """The first that nobody has; after so many tries, with ten digits for ten names, any."""
        drawn = real
        for number in range(_TRIES):
            drawn = _like(real, self._stream(real, number))
            if drawn not in self._taken and (drawn != real or len(real) == 1):
                break
        return drawn

    def _stream(self, real: str, number: int) -> bytes:
        """As many bytes as the part has characters."""
        blocks = (
            hashlib.blake2b(f"{number}/{block}/{real}".encode(), key=self.key).digest()
            for block in range(len(real) // hashlib.blake2b().digest_size + 1)
        )
        return b"".join(blocks)[: len(real)]


def _like(real: str, drawn: bytes) -> str:
    return "".join(_among(char)[byte % len(_among(char))] for char, byte in zip(real, drawn, strict=True))


def _among(char: str) -> str:
    if char.isdigit():
        return _DIGITS
    return _CAPITALS if char.isupper() else _LETTERS
