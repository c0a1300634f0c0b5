"""The audit log of an API server: what is asked of it, and that it costs and tells little."""

from __future__ import annotations

from typing import TYPE_CHECKING

import yaml

from harness.cluster import audit

if TYPE_CHECKING:
    from pathlib import Path


def test_only_metadata_is_written(tmp_path: Path) -> None:
    """No rule lets content be written, which may hold secrets, and each request is written once."""
    audit.write_policy(tmp_path)

    policy = yaml.safe_load((tmp_path / audit.POLICY_FILE).read_text(encoding="utf-8"))
    assert {rule["level"] for rule in policy["rules"]} == {"None", "Metadata"}
    assert policy["rules"][-1] == {"level": "Metadata"}
    assert policy["omitStages"] == ["RequestReceived"]


def test_the_log_lies_with_the_others_and_no_request_waits_for_it(tmp_path: Path) -> None:
    """It is kept with the logs, by the server's name, and written beside requests."""
    flags = dict(flag.partition("=")[::2] for flag in audit.flags(tmp_path, "kube-apiserver-2"))

    assert flags["--audit-log-path"] == str(tmp_path / "log" / "kube-apiserver-2.audit.jsonl")
    assert flags["--audit-policy-file"] == str(tmp_path / audit.POLICY_FILE)
    assert flags["--audit-log-mode"] == "batch"
