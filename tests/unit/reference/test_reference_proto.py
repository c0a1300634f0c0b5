"""The generated gRPC messages."""

from __future__ import annotations

import subprocess
import sys
from pathlib import Path

_ROOT = Path(__file__).resolve().parents[3]
_PROTO = Path("harness/operator/proto")


def test_generated_code_is_what_the_proto_file_says(tmp_path: Path) -> None:
    """Generating the messages anew gives the files that are in the repository."""
    command = [sys.executable, "-m", "grpc_tools.protoc", f"-I{_ROOT}", f"--python_out={tmp_path}"]
    command += [f"--pyi_out={tmp_path}", str(_ROOT / _PROTO / "inventory.proto")]
    subprocess.run(command, check=True, cwd=_ROOT)
    for name in ("inventory_pb2.py", "inventory_pb2.pyi"):
        assert (tmp_path / _PROTO / name).read_text("utf-8") == (_ROOT / _PROTO / name).read_text("utf-8")


def test_importing_the_messages_warns_of_nothing() -> None:
    """The protobuf runtime accepts the generated code without a warning."""
    command = [sys.executable, "-W", "error", "-c", "import harness.operator.proto.inventory_pb2"]
    done = subprocess.run(command, cwd=_ROOT, capture_output=True, text=True, check=False)
    assert (done.returncode, done.stderr) == (0, "")
