"""Machines whose capabilities are bounded: nodes without CAP_SYS_RESOURCE.

`docker run --privileged` asks for every capability that the kernel knows. Where the bounding set of the machine (a
sandbox, some CI systems) lacks one, the container runtime refuses ("unable to apply caps"), and so does kind. A node
does without CAP_SYS_RESOURCE. kind always asks for `--privileged`; so there, and only there, a command named `docker`
stands before the real one on kind's PATH and asks for the rest of it one by one. The harness says so wherever it tells
what a run was made with. Such nodes boot only from an image of `ci/node_image`, whose entrypoint does what Docker
leaves undone without `--privileged`.
"""

from __future__ import annotations

import shlex
import shutil
from pathlib import Path

from harness.cluster.pki import write_private
from harness.errors import PlatformError

CAP_SYS_RESOURCE = 24
"""linux/capability.h."""
REMARK = (
    "the machine's bounding set lacks CAP_SYS_RESOURCE: nodes run without --privileged, by a `docker` of ours before "
    "the real one on kind's PATH"
)
_STATUS = Path("/proc/self/status")
_INSTEAD = (
    "--cap-add", "ALL", "--cap-drop", "SYS_RESOURCE", "--security-opt", "systempaths=unconfined",
    "--device-cgroup-rule", "a *:* rwm",
)  # fmt: skip
"""What --privileged means, but for the one capability."""


def needed(status: str | None = None) -> bool:
    """Whether containers cannot have every capability here. `status`: the text of /proc/self/status.

    A machine that does not say counts as one without bounds.
    """
    if status is None:
        try:
            status = _STATUS.read_text(encoding="utf-8")
        except OSError:
            return False
    for line in status.splitlines():
        if line.startswith("CapBnd:"):
            return not int(line.split()[1], 16) >> CAP_SYS_RESOURCE & 1
    return False


def script(docker: str) -> str:
    """The command in the place of Docker's: the first `--privileged` of a `run` is spelled out, of an `exec` dropped.

    What `exec` starts has the capabilities of the container anyway. Everything else passes as it is.
    """
    instead = " ".join(shlex.quote(word) for word in _INSTEAD)
    return f"""\
#!/bin/sh
# {REMARK}
docker={shlex.quote(docker)}
case "${{1-}}" in
  run | create | exec) verb=$1 && shift ;;
  *) exec "$docker" "$@" ;;
esac
left=$#
seen=
while [ "$left" -gt 0 ]; do
  word=$1
  shift
  left=$((left - 1))
  if [ "$word" = --privileged ] && [ -z "$seen" ]; then
    seen=1
    [ "$verb" = exec ] || set -- "$@" {instead}
  else
    set -- "$@" "$word"
  fi
done
exec "$docker" "$verb" "$@"
"""


def install(directory: Path) -> Path:
    """Write the command into a directory that is to be first on kind's PATH; return that directory.

    Raises PlatformError when there is no `docker`, or the disk does not take it.
    """
    docker = shutil.which("docker")
    if docker is None:
        raise PlatformError("no `docker` on PATH, which kind needs", hint="install Docker 20.10 or newer")
    folder = directory / "bin"
    folder.mkdir(mode=0o700, exist_ok=True)
    write_private(folder / "docker", script(docker).encode()).chmod(0o700)
    return folder
