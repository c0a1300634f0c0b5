"""Handing a run to allure-pytest, from inside a test. Without `--alluredir` nobody listens, and nothing happens."""

from __future__ import annotations

import contextlib
from typing import TYPE_CHECKING, Any

import allure
import allure_commons
from allure_commons.types import AttachmentType, Severity
from allure_pytest.listener import AllureListener

from reports.campaign import load_run
from reports.html import page
from reports.visible import line, visible
from reports.words import SHOWN_FINDINGS

if TYPE_CHECKING:
    from collections.abc import Mapping
    from pathlib import Path

ATTACHMENTS = (("verdicts.json", AttachmentType.JSON), ("history.jsonl", AttachmentType.TEXT))
PROMISE = "promise"
SEVERITY = {"FAIL": Severity.CRITICAL, "UNKNOWN": Severity.NORMAL, "PASS": Severity.MINOR}


def listening() -> bool:
    """Whether allure-pytest records this session."""
    return any(isinstance(plugin, AllureListener) for plugin in allure_commons.plugin_manager.get_plugins())


def attach(result_json: Mapping[str, Any], bundle: Path) -> None:
    """Title, labels, parameters and evidence of the run that the current test made; `result_json` as in verdicts.json.

    Files that are not there are left out. The page of the run is drawn from what is there.
    """
    if not listening():
        return
    verdict = str(result_json.get("verdict", "UNKNOWN"))
    dynamic: Any = allure.dynamic  # the library's functions have no types
    dynamic.title(line(str(result_json.get("id", bundle.name))))
    dynamic.severity(SEVERITY.get(verdict, Severity.NORMAL))
    dynamic.label("verdict", verdict)
    for promise in result_json.get("promises", ()):
        name = line(str(promise.get("id")))
        dynamic.label("promise", name)
        # Where it leads says --allure-link-pattern=promise:…; without that the name is all there is of it.
        dynamic.link(name, link_type=PROMISE, name=f"{name}: {line(str(promise.get('text', '')))}")
        dynamic.parameter(name, str(promise.get("verdict")), excluded=True)
        _step(name, promise)
    dynamic.parameter("seed", result_json.get("seed"), excluded=True)
    attachments: Any = allure.attach
    # The page is written at the end of the campaign; here it is drawn from the bundle as it stands.
    drawn = page(load_run(_campaign_of(bundle, result_json), bundle), index="", machine={})
    attachments(drawn, name="report.html", attachment_type=AttachmentType.HTML)
    for name, kind in ATTACHMENTS:
        path = bundle / name
        if path.is_file():
            attachments.file(str(path), name=name, attachment_type=kind)


def _step(name: str, promise: Mapping[str, Any]) -> None:
    """The verdict on a promise as a step that passed, failed, or (not known) broke off, with what was found."""
    verdict = str(promise.get("verdict"))
    said = [str(one.get("text")) for one in promise.get("findings", ())] or [
        str(one) for one in promise.get("reasons", ())
    ]
    problem = {"FAIL": AssertionError, "UNKNOWN": RuntimeError}.get(verdict)
    with contextlib.suppress(AssertionError, RuntimeError), allure.step(f"{name} {verdict}"):
        if problem is not None:
            raise problem("\n".join(visible(text) for text in said[:SHOWN_FINDINGS]) or verdict)


def _campaign_of(bundle: Path, result_json: Mapping[str, Any]) -> Path:
    """The directory of the campaign: the bundle's path without the scenario's id."""
    depth = len(str(result_json.get("id", "")).strip("/").split("/"))
    return bundle.parents[depth - 1]
