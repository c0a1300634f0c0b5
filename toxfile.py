"""Makes tox run every environment in the Python environment it was started from.

tox would make one virtual environment for each name in tox.ini and install the same dependencies into each. Here one
environment is enough, and `ci/bootstrap.py` has made it already; tox contributes the list, the order and the summary.
"""

from __future__ import annotations

import importlib.metadata
import sys
from pathlib import Path
from typing import TYPE_CHECKING

from tox.execute.local_sub_process import LocalSubProcessExecutor
from tox.plugin import impl
from tox.tox_env.errors import Fail
from tox.tox_env.installer import Installer
from tox.tox_env.runner import RunToxEnv

if TYPE_CHECKING:
    from tox.execute.api import Execute
    from tox.tox_env.api import ToxEnvCreateArgs
    from tox.tox_env.package import Package
    from tox.tox_env.register import ToxEnvRegister

DISTRIBUTION = "inventory-harness"


class Nothing(Installer[RunToxEnv]):
    """Installs nothing; what is missing is a fault of the environment and is said so."""

    def _register_config(self) -> None:
        """There is nothing to configure."""

    def install(self, arguments: object, section: str, of_type: str) -> None:
        """Refuse: somebody gave an environment in tox.ini dependencies of its own."""
        raise Fail(f"{self._env.conf.name}: {of_type} of {section} ({arguments}) belong into pyproject.toml")

    def installed(self) -> list[str]:
        """What there is, for tox's reports."""
        return sorted(f"{found.name}=={found.version}" for found in importlib.metadata.distributions())


class Checkout(RunToxEnv):
    """Runs commands beside the interpreter of tox, installs nothing."""

    def __init__(self, create_args: ToxEnvCreateArgs) -> None:
        self._executor: Execute | None = None
        self._nothing = Nothing(self)
        super().__init__(create_args)

    @staticmethod
    def id() -> str:
        """The name used in tox.ini: `runner = checkout`."""
        return "checkout"

    @property
    def executor(self) -> Execute:
        """Commands are plain child processes."""
        if self._executor is None:
            self._executor = LocalSubProcessExecutor(self.options.is_colored)
        return self._executor

    @property
    def runs_on_platform(self) -> str:
        """For tox's `platform` setting."""
        return sys.platform

    @property
    def installer(self) -> Installer[RunToxEnv]:
        """One that installs nothing."""
        return self._nothing

    def _setup_env(self) -> None:
        super()._setup_env()
        try:
            importlib.metadata.distribution(DISTRIBUTION)
        except importlib.metadata.PackageNotFoundError as exc:
            raise Fail(
                f"{sys.prefix} has no {DISTRIBUTION}: use python3 ci/bootstrap.py {self.conf.name}, "
                "or run tox from an environment made by `pip install -e . --group dev`"
            ) from exc
        self._paths = [Path(sys.executable).parent]

    def _build_packages(self) -> list[Package]:
        return []

    @property
    def _package_tox_env_type(self) -> str:
        raise Fail("this project is not packaged by tox")

    @property
    def _external_pkg_tox_env_type(self) -> str:
        raise Fail("this project is not packaged by tox")


@impl
def tox_register_tox_env(register: ToxEnvRegister) -> None:
    """Make the runner known to tox."""
    register.add_run_env(Checkout)
