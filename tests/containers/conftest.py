"""Run directories in a place of each test's own, as the tests of installed servers have them."""

from tests.datastores.conftest import runs

__all__ = ["runs"]
