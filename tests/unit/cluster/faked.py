"""Commands that stand in for Docker's and kind's: they note what they are asked, and answer as a test wants."""

from __future__ import annotations

from dataclasses import dataclass
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    from pathlib import Path

    import pytest

SERVER = '{"Version": "20.10.24", "ApiVersion": "1.41"}'
INFO = '{"DockerRootDir": "/", "CgroupVersion": "1", "Driver": "overlay2"}'

_SCRIPT = """\
#!/bin/sh
# Stands in for @NAME@.
printf '%s\\n' "$*" >> '@LOG@'
case "$*" in
@CASES@
*) exit 0 ;;
esac
"""


@dataclass(frozen=True, slots=True)
class Faked:
    """One command; `log` has a line for each call."""

    name: str
    path: Path
    log: Path

    def answers(self, **cases: str) -> None:
        """What it does, by how what it is asked begins ("_" stands for a blank): shell text."""
        given = "\n".join(f'"{key.replace("_", " ")}"*) {text} ;;' for key, text in cases.items())
        script = _SCRIPT.replace("@NAME@", self.name).replace("@LOG@", str(self.log)).replace("@CASES@", given)
        self.path.write_text(script, encoding="utf-8")
        self.path.chmod(0o755)

    @property
    def asked(self) -> list[str]:
        """Every call."""
        return self.log.read_text(encoding="utf-8").splitlines() if self.log.exists() else []


def fake(name: str, folder: Path, monkeypatch: pytest.MonkeyPatch) -> Faked:
    """A command of that name, first on PATH, that does nothing yet."""
    (folder / "bin").mkdir(exist_ok=True)
    made = Faked(name, folder / "bin" / name, folder / f"{name}.log")
    made.answers()
    monkeypatch.setenv("PATH", f"{folder / 'bin'}:/usr/bin:/bin")
    return made


def docker(folder: Path, monkeypatch: pytest.MonkeyPatch, **cases: str) -> Faked:
    """An engine that answers, and does what else is asked as `cases` say."""
    made = fake("docker", folder, monkeypatch)
    made.answers(**{"version": f"echo '{SERVER}'", "info": f"echo '{INFO}'", **cases})
    return made
