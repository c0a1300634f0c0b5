"""What the tests of faults on a running operator share."""

from __future__ import annotations

from typing import TYPE_CHECKING

import pytest

from harness.operator.base import OperatorConfig
from harness.process.ports import Ports
from tests.unit.fault.running import NOWHERE

if TYPE_CHECKING:
    from collections.abc import Iterator
    from pathlib import Path


@pytest.fixture
def config(tmp_path: Path) -> Iterator[OperatorConfig]:
    """What the operator is started with: a cluster that is nowhere."""
    kubeconfig = tmp_path / "kubeconfig"
    kubeconfig.write_text(NOWHERE, encoding="utf-8")
    ports = Ports()
    yield OperatorConfig(kubeconfig, ports.take(), ports.take(), "http://127.0.0.1:1", "akash-services")
    ports.release()
