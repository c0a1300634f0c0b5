"""The operator's configuration file in a run: how it comes to be, and what the history holds of it."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

import yaml

from harness.cluster.configfile import ConfigFile, Configuration

if TYPE_CHECKING:
    from pathlib import Path

    from harness.run.observe import LiveTruth


def provide(wanted: Configuration | None, directory: Path, live: LiveTruth) -> ConfigFile | None:
    """Make the file that the operator starts with, below the run's own directory, and record it; None where none is."""
    if wanted is None:
        return None
    content = wanted.text()
    live.record("config", body=document(content))
    return None if wanted.inline else ConfigFile.create(directory / "config", content, volume=wanted.volume)


def argument(wanted: Configuration | None, file: ConfigFile | None) -> str:
    """What the operator is given as --config: the file's path, the text itself, or nothing."""
    if file is not None:
        return str(file.path)
    return "" if wanted is None else wanted.text()


def document(content: str | None) -> Any:
    """What a history holds of a configuration file: the document, or {"raw": …} for what is none (null: no file)."""
    if content is None:
        return {"raw": None}
    try:
        found = yaml.safe_load(content)
    except yaml.YAMLError:
        return {"raw": content}
    return {"raw": content} if isinstance(found, str) else found
