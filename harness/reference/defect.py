"""What a saboteur is: the correct operator with one seam changed."""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any

from harness.reference.behaviour import CORRECT

if TYPE_CHECKING:
    from harness.reference.behaviour import Behaviour


@dataclass(frozen=True, slots=True)
class Defect:
    """One way to be wrong: its name, what is wrong in one sentence, the promises that breaks, and the changed seam."""

    name: str
    description: str
    breaks: tuple[str, ...]
    behaviour: Behaviour


def but(**changed: Any) -> Behaviour:
    """The correct behaviour but for these seams."""
    return replace(CORRECT, **changed)
