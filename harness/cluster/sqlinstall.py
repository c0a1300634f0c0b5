"""SQL servers installed on this machine: where their programs are, and which version they are."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from dataclasses import dataclass
from pathlib import Path

from harness.errors import PlatformError

POSTGRES_HOMES = Path("/usr/lib/postgresql")
"""Debian keeps each version's programs in a directory of its own below, off PATH."""
OLDEST = {"PostgreSQL": (13,), "MySQL": (8, 0), "MariaDB": (10, 6)}
_ADMIN_PATH = "/usr/local/sbin:/usr/sbin:/sbin"
_TABLES, _DATA = "system_tables.sql", "system_tables_data.sql"
_ANSWER_S = 10.0
_POSTGRES_SAYS = r"\(PostgreSQL\) (\S+)"
"""As in: postgres (PostgreSQL) 15.18 (Debian 15.18-0+deb12u1)."""
_MARIADB_SAYS = r"Ver (\S+)"
"""As in: mariadbd  Ver 10.11.19-MariaDB-0+deb12u1 for debian-linux-gnu on x86_64 (Debian 12)."""


@dataclass(frozen=True, slots=True)
class Installation:
    """One server's programs. `bin`: their directory; `version` as the server says it, such as "15.18"."""

    bin: Path
    server: Path
    version: str
    scripts: tuple[Path, ...] = ()
    """MariaDB: the SQL that makes its system tables, in order."""


def numbers(version: str) -> tuple[int, ...]:
    """The leading numbers of a version: "10.11.19-MariaDB" -> (10, 11, 19). Empty when it has none."""
    found = re.match(r"\d+(\.\d+)*", version)
    return tuple(int(part) for part in found[0].split(".")) if found else ()


def is_mariadb(version: str) -> bool:
    """Whether a version string of the MySQL protocol is MariaDB's."""
    return "mariadb" in version.lower()


def product(kind: str, version: str) -> str:
    """The name of the server: "PostgreSQL", "MySQL" or "MariaDB"."""
    if kind == "postgres":
        return "PostgreSQL"
    return "MariaDB" if is_mariadb(version) else "MySQL"


def too_old(kind: str, version: str) -> str:
    """What is wrong with a version, such as "PostgreSQL 12.4 is too old: 13 is the oldest …"; empty when nothing is."""
    name = product(kind, version)
    oldest = OLDEST[name]
    if numbers(version) >= oldest:
        return ""
    return f"{name} {version} is too old: {'.'.join(map(str, oldest))} is the oldest supported version"


def find_postgres(homes: Path = POSTGRES_HOMES, path: str | None = None) -> Installation | None:
    """PostgreSQL's programs on `path` (None: PATH), else the newest below `homes`; None when there are none."""
    on_path = shutil.which("postgres", path=path), shutil.which("initdb", path=path)
    candidates = [Path(on_path[0]).parent] if on_path[0] and on_path[1] else []
    candidates += sorted(homes.glob("*/bin"), key=lambda one: numbers(one.parent.name), reverse=True)
    for place in candidates:
        server = place / "postgres"
        if server.exists() and (place / "initdb").exists():
            version = _said(server, _POSTGRES_SAYS)
            if version and not too_old("postgres", version):
                return Installation(server.resolve().parent, server, version)
    return None


def find_mariadb(path: str | None = None) -> Installation | None:
    """MariaDB's server (also where it is called mysqld) with the scripts that come with it; None when there is none.

    MySQL's own mysqld is not taken: it makes its data directory in another way. It can be given by URL.
    """
    searched = path if path is not None else f"{os.environ.get('PATH', '')}:{_ADMIN_PATH}"
    for name in ("mariadbd", "mysqld"):
        found = shutil.which(name, path=searched)
        if found is None:
            continue
        server = Path(found)
        version = _said(server, _MARIADB_SAYS)
        scripts = _scripts(server.resolve().parent.parent / "share")
        if version and is_mariadb(version) and not too_old("mysql", version) and scripts:
            return Installation(server.parent, server, version, scripts)
    return None


def _scripts(share: Path) -> tuple[Path, ...]:
    """The two scripts that are needed; MariaDB 11 has them under its own name."""
    for place in (share / "mariadb", share / "mysql"):
        for prefix in ("mariadb_", "mysql_"):
            both = tuple(place / f"{prefix}{name}" for name in (_TABLES, _DATA))
            if all(one.exists() for one in both):
                return both
    return ()


def _said(server: Path, pattern: str) -> str:
    try:
        told = subprocess.run(
            [str(server), "--version"], check=False, capture_output=True, text=True, timeout=_ANSWER_S
        )  # fmt: skip
    except (OSError, subprocess.SubprocessError) as exc:
        raise PlatformError(f"cannot ask {server} for its version: {exc}") from exc
    found = re.search(pattern, told.stdout)
    return found[1] if found else ""
