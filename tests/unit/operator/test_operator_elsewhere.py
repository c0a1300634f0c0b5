"""An operator that runs already is named by its addresses, asked there, and left alone."""

from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING

import pytest

from harness.cluster.backend import ELSEWHERE, EXTERNAL, POD, BackendSpec
from harness.errors import OperatorError, UsageError
from harness.operator.base import parse
from harness.operator.elsewhere import OperatorElsewhere
from harness.run.choose import choose, placed

if TYPE_CHECKING:
    from pathlib import Path

AT = "at:127.0.0.1:8080,[::1]:8081"


def test_its_addresses_say_where_it_is_asked(tmp_path: Path) -> None:
    """REST first, then gRPC; nothing is started for it."""
    found = OperatorElsewhere(parse(AT), tmp_path)

    assert (found.rest_url, found.grpc_target) == ("http://127.0.0.1:8080", "[::1]:8081")
    assert found.spec.command == ()
    assert found.spec.describe() == {"name": "the one at 127.0.0.1:8080"}
    asyncio.run(found.start())
    asyncio.run(found.stop())


@pytest.mark.parametrize("text", ["at:", "at:127.0.0.1:8080", "at:http://127.0.0.1:8080,127.0.0.1:8081", "at:a:1,b"])
def test_what_are_no_addresses_is_refused(text: str) -> None:
    """The error shows what was given, and the hint what would do."""
    with pytest.raises(UsageError, match="that is not where an operator's REST and gRPC are") as caught:
        parse(text)
    assert "at:HOST:PORT,HOST:PORT" in caught.value.hint


def test_it_is_never_ended(tmp_path: Path) -> None:
    """Whatever asks for that is told whose it is."""
    found = OperatorElsewhere(parse(AT), tmp_path)

    for ending in (found.kill, found.interrupt, found.terminate):
        with pytest.raises(OperatorError, match="is somebody's"):
            asyncio.run(ending())


def test_on_each_backend_it_is_elsewhere() -> None:
    """Also on the usual one, which has no such operator and says so."""
    spec = choose(AT, None)

    assert placed((), spec) == (BackendSpec(operator_in=ELSEWHERE),)
    assert placed((BackendSpec(EXTERNAL),), spec) == (BackendSpec(EXTERNAL, {}, ELSEWHERE),)
    with pytest.raises(UsageError, match=r"--operator-in pod: .* runs already"):
        placed((BackendSpec(EXTERNAL, {}, POD),), spec)
    assert placed((BackendSpec(EXTERNAL, {}, POD),), choose("reference", None)) == (BackendSpec(EXTERNAL, {}, POD),)
