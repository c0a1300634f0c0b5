"""Other names for the same things, so that any scenario can be run with long, short or odd ones (`--names`).

A naming is one word: what it makes of nodes, namespaces, pods and GPU models stands in `WORDS`. It is a pure function:
the same word makes the same names. Nodes keep their order, because random choices are made among sorted names: the same
seed picks the same nodes under any naming. Names of one length are alike but for their ends, so that whoever cuts them
takes one for the other.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import count, islice
from typing import TYPE_CHECKING

from harness.errors import UsageError
from harness.names.limits import FITTING as FITS
from harness.names.limits import LABEL, NAMESPACE, NODE, POD, SUBDOMAIN

if TYPE_CHECKING:
    from collections.abc import Collection, Iterable, Iterator, Mapping

    from harness.names.limits import Limit

USUAL, SHORTEST, FITTING, LONGEST = "usual", "shortest", "fitting", "longest"
DOTTED, DASHED, DIGITS = "dotted", "dashed", "digits"

WORDS: Mapping[str, str] = {
    USUAL: "as the scenario has them",
    SHORTEST: "one character, more where there are more than 26",
    FITTING: "as long as leaves room for all that the contract makes from a name (nodes: 165)",
    LONGEST: "as long as Kubernetes accepts (nodes and pods: 253, namespaces: 63; GPU models: the most for one label)",
    DOTTED: "several DNS labels, where dots are allowed",
    DASHED: "dashes in a row",
    DIGITS: "digits alone, so that a name looks like a number",
}
"""What each word makes of names. A number is a naming too: so many characters, cut to what a kind of object allows."""

_LETTERS = "abcdefghijklmnopqrstuvwxyz"
_FILLER = "n" + "ode-with-a-very-long-name-" * 3
_BEHIND: Mapping[str, str] = {DOTTED: ".rack-1.example.internal", DASHED: "--a---1"}
_TAIL: Mapping[str, str] = {DOTTED: ".v1.0", DASHED: "--a---1"}


def name_of_length(length: int) -> str:
    """A valid node name of exactly that many characters: DNS labels of at most 63, joined by dots."""
    if not 1 <= length <= SUBDOMAIN:
        raise UsageError(f"a node name of {length} characters is not possible", hint=f"1 to {SUBDOMAIN}")
    return ".".join(_filler(size) for size in _labels(length))


def names_alike(length: int) -> tuple[str, str]:
    """Two valid node names of exactly that many characters that differ in the last one alone."""
    whole = name_of_length(length)
    return f"{whole[:-1]}a", f"{whole[:-1]}b"


def name_ending_in(end: str, length: int) -> str | None:
    """A name of exactly that many characters with `end` (one DNS label) at its end; None where there is no room."""
    *first, last = _labels(length)
    room = last - len(end)
    if room < 0 or "." in end:
        return None
    joined = end if not room else f"z{end}" if room == 1 else f"{_filler(room - 1)}-{end}"
    return ".".join([*(_filler(size) for size in first), joined])


def _labels(length: int) -> list[int]:
    """The lengths of the DNS labels of a name: the last ones are full."""
    number = length // (LABEL + 1) + 1
    rest = length - (number - 1) * (LABEL + 1)
    if rest:
        return [rest, *[LABEL] * (number - 1)]
    return [1, LABEL - 1, *[LABEL] * (number - 2)]


def _filler(size: int) -> str:
    return _FILLER[: size - 1] + "z"


@dataclass(frozen=True, slots=True)
class Naming:
    """One way to name things; `word` is one of WORDS or a number (`parse`)."""

    word: str = USUAL

    @property
    def usual(self) -> bool:
        """Whether everything is called as the scenario calls it."""
        return self.word == USUAL

    def nodes(self, names: Collection[str], *, keep: Collection[str] = (), most: int = SUBDOMAIN) -> dict[str, str]:
        """Another name for each node, in the same order, of at most `most` characters; those of `keep` stay."""
        length = self._length(FITS[NODE], SUBDOMAIN)
        changed = sorted({*names} - {*keep})
        return self._renamed(changed, None if length is None else min(length, most), _BEHIND, {*names, *keep})

    def models(self, limits: Mapping[str, tuple[Limit, ...]]) -> dict[str, str]:
        """Another name for each GPU model; `limits`: those of its product (`limits.of_model`)."""
        lengths = {
            name: self._length(min(limit.most for limit in found), max(limit.most for limit in found), cut=SUBDOMAIN)
            for name, found in limits.items()
        }
        renamed: dict[str, str] = {}
        for length in dict.fromkeys(lengths.values()):
            alike = sorted(name for name in limits if lengths[name] == length)
            renamed |= self._renamed(alike, length, _TAIL, {*limits, *renamed.values()}, ordered=False)
        return renamed

    def namespaces(self, names: Iterable[str]) -> tuple[str, ...]:
        """Another name for each namespace: a DNS label, so without dots."""
        names = tuple(names)
        if self.word == DOTTED:
            return names
        found = self._renamed(sorted(names), self._length(FITS[NAMESPACE], LABEL), _TAIL, set(names))
        return tuple(found.get(name, name) for name in names)

    def pod(self, prefix: str, number: int) -> str:
        """The name of the pod PREFIX-NUMBER; another number, another name."""
        usual, length = f"{prefix}-{number}", self._length(FITS[POD], SUBDOMAIN)
        if length is not None:
            return name_ending_in(usual, length) or next(islice(_words(), number, None))
        if self.word == DIGITS:
            return str(number)
        return usual + _TAIL.get(self.word, "")

    def _length(self, fitting: int, longest: int, *, cut: int | None = None) -> int | None:
        """How long names have to be; None where the word says nothing of it."""
        if self.word.isdecimal():
            return min(int(self.word), longest if cut is None else cut)
        return {SHORTEST: 1, FITTING: fitting, LONGEST: longest}.get(self.word)

    def _renamed(
        self,
        names: list[str],
        length: int | None,
        behind: Mapping[str, str],
        taken: Collection[str],
        *,
        ordered: bool = True,
    ) -> dict[str, str]:
        """Another name for each of the sorted `names`, with the name itself in it where that does, or else letters."""
        if self.usual or not names:
            return {}
        if self.word == DIGITS:
            return dict(zip(names, _numbers(len(names), taken), strict=True))

        def make(end: str) -> str | None:
            return end + behind[self.word] if length is None else name_ending_in(end, length)

        own = [made for name in names if (made := make(name)) is not None and len(made) <= SUBDOMAIN]
        good = len({*own}) == len(names) and {*taken}.isdisjoint(own)
        if good and (own == sorted(own) or not ordered):
            return dict(zip(names, own, strict=True))
        wanted = len(names) + len(taken)
        tries = (
            [name for end in _ends(wanted, width) if (name := make(end) or end) not in taken] for width in count(1)
        )
        return dict(zip(names, next(made for made in tries if len(made) >= len(names)), strict=False))


def at_most(word: str, most: int) -> str:
    """The naming itself, or where it makes longer names of pods than that, the one of that many characters."""
    return str(most) if len(Naming(word).pod("pod", 0)) > most else word


def parse(text: str) -> Naming:
    """The naming of that word; raises UsageError for one that is unknown."""
    if text in WORDS:
        return Naming(text)
    if text.isascii() and text.isdecimal() and len(text) <= 3 and 1 <= int(text) <= SUBDOMAIN:
        return Naming(str(int(text)))
    raise UsageError(
        f"names {text[:80]!r} are unknown",
        hint=f"one of {', '.join(WORDS)}, or a number of characters, 1 to {SUBDOMAIN}",
    )


def _numbers(number: int, taken: Collection[str]) -> list[str]:
    """So many numbers that are no names yet, in the order of their text."""
    width = len(str(number + len(taken)))
    return list(islice((text for n in count(1) if (text := f"{n:0{width}}") not in taken), number))


def _ends(number: int, width: int) -> list[str]:
    """So many different ends of that many letters, or as many as there are."""
    return [_letters(index, width) for index in range(min(number, len(_LETTERS) ** width))]


def _letters(index: int, width: int) -> str:
    """The number in letters, so wide that order is kept."""
    text = ""
    for _ in range(width):
        index, rest = divmod(index, len(_LETTERS))
        text = _LETTERS[rest] + text
    return text


def _words() -> Iterator[str]:
    """All words of letters, the short ones first: a, b, …, z, aa, ab and so on."""
    for width in count(1):
        yield from (_letters(index, width) for index in range(len(_LETTERS) ** width))
