"""Run directories in a place of each test's own, as the tests of installed servers have them."""

from tests.datastores.conftest import _own_run_directories

__all__ = ["_own_run_directories"]
