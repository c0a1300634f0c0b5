r"""Text that came from outside, made safe to show.

Names, log lines and error texts may hold anything. What would steer a terminal, hide text or turn its direction round
is shown as an escape (`\x1b`, `\u202e`); what a format gives a meaning to is escaped where that format is written.
"""

from __future__ import annotations

import re
import unicodedata

# Control, format (direction overrides, zero width), surrogate, unassigned, line and paragraph separator.
_HIDDEN = frozenset({"Cc", "Cf", "Cs", "Cn", "Zl", "Zp"})
_MARKDOWN = re.compile(r"([\\`*_{}\[\]<>#|~&!$])")
_MARKDOWN_START = re.compile(r"^(\s*)([-+=]|\d+(?=[.)]))")


def visible(text: str, *, keep: str = "\n\t") -> str:
    """The text with every character that cannot be seen written out; those in `keep` stay."""
    return "".join(char if char in keep or not _hidden(char) else _written_out(char) for char in text)


def line(text: str) -> str:
    """`visible`, on one line: line breaks and runs of white space become one space."""
    return visible(" ".join(text.split(None)), keep="")


def _hidden(char: str) -> bool:
    return not (" " <= char <= "~") and unicodedata.category(char) in _HIDDEN


def _written_out(char: str) -> str:
    code = ord(char)
    if code < 0x100:
        return f"\\x{code:02x}"
    return f"\\u{code:04x}" if code < 0x10000 else f"\\U{code:08x}"


def markdown(text: str) -> str:
    """One line of plain text for Markdown, also inside a table cell."""
    escaped = _MARKDOWN.sub(r"\\\1", line(text))
    return _MARKDOWN_START.sub(_start, escaped)


def _start(match: re.Match[str]) -> str:
    # A list or heading mark counts only at the start; a backslash before a digit is no escape, so the dot gets it.
    head, mark = match.groups()
    return f"{head}\\{mark}" if not mark.isdigit() else f"{head}{mark}\\"


def shortened(text: str, most: int = 320) -> str:
    """One line of at most `most` characters; what is cut off is marked."""
    shown = line(text)
    return shown if len(shown) <= most else f"{shown[: most - 1]}…"


def fenced(text: str) -> str:
    """A block of code for Markdown, with a fence longer than any run of backticks inside."""
    shown = visible(text)
    longest = max((len(run) for run in re.findall(r"`+", shown)), default=0)
    fence = "`" * max(3, longest + 1)
    return f"{fence}text\n{shown}\n{fence}"
