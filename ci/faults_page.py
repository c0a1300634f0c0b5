"""docs/faults.md, made from the code: `python -m ci.faults_page`."""

from __future__ import annotations

from dataclasses import MISSING, fields, is_dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any

from harness.fault import catalog
from harness.run.described import describe, scenarios_of

if TYPE_CHECKING:
    from collections.abc import Sequence

    from harness.run.described import Described

ROOT = Path(__file__).resolve().parents[1]
DOCUMENT = ROOT / "docs" / "faults.md"

HEAD = """\
# Faults

Every harm that a scenario can ask for, by `harness.faults`. Each writes its undo to disk before it acts, and must show
that it bit, or no promise of the run is PASS. Beyond its radius it touches nothing, which is looked at after each
injection and each heal. `harness faults` prints the same, `harness faults --json` for programs. How faults follow one
another: [composition.md](composition.md).

Made from the docstrings, the catalogue and the scenarios by `python -m ci.faults_page`; a test keeps it up to date.
"""


def render(found: Sequence[Described]) -> str:
    """The whole document."""
    harm = [
        f"| `{fault.name}` | `{call(catalog.KINDS[fault.name])}` | {cell(fault.harms)} | {cell(fault.proves)} "
        f"| {', '.join(fault.radius)} | {', '.join(fault.needs)} |"
        for fault in found
    ]
    use = [
        f"| `{fault.name}` | {', '.join(fault.threatens)} | {', '.join(f'`{name}`' for name in fault.scenarios)} |"
        for fault in found
    ]
    parts = [
        HEAD,
        "## What they do\n",
        "| fault | parameters | harm | proof | radius | needs |\n|---|---|---|---|---|---|",
        *harm,
        "\n## What they are for\n",
        "The promises are those that the scenarios judge.\n",
        "| fault | promises | scenarios |\n|---|---|---|",
        *use,
    ]
    return "\n".join(parts) + "\n"


def call(kind: type[Any]) -> str:
    """How a scenario makes one: the class with its parameters and their defaults."""
    given = [
        field.name if field.default is MISSING else f"{field.name}={default(field.default)}"
        for field in fields(kind)
        if not field.name.startswith("_")
    ]
    return f"{kind.__name__}({', '.join(given)})"


def default(value: Any) -> str:
    """A default value; of a node's profile its name alone."""
    return f"{type(value).__name__}(…)" if is_dataclass(value) else repr(value)


def cell(text: str) -> str:
    """Text that may stand in a cell of a table."""
    return text.replace("|", "\\|")


def current() -> str:
    """The document as it should be."""
    return render(describe(scenarios_of(ROOT)))


if __name__ == "__main__":
    DOCUMENT.write_text(current(), encoding="utf-8")
