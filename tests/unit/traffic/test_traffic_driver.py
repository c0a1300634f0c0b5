from __future__ import annotations

import asyncio
from typing import TYPE_CHECKING, Any

from harness import seed as seeds
from harness.cluster.hardware import NodeProfile
from harness.errors import ApiError, ApiUnavailableError
from harness.traffic.driver import Driver
from harness.traffic.pods import Churn

if TYPE_CHECKING:
    from collections.abc import Callable

PROFILES = {"worker-1": NodeProfile(gpu="a100", gpus=4)}


class Server:
    """Stands for the API server: `answer` raises what it is to answer, told how many requests came before."""

    def __init__(self, answer: Callable[[int], None]) -> None:
        self.answer = answer
        self.asked: list[tuple[str, str]] = []

    async def create(self, path: str, body: dict[str, Any]) -> None:
        """POST of a pod, which must not be bound yet, or of its binding."""
        if body["kind"] == "Binding":
            assert path.endswith(f"/{body['metadata']['name']}/binding")
            assert body["target"]["name"] in PROFILES
            self._take("bind", path)
        else:
            assert "nodeName" not in body["spec"]
            self._take("create", f"{path}/{body['metadata']['name']}")

    async def delete(self, path: str, *, grace_s: int | None = None) -> None:
        """DELETE."""
        assert grace_s == 0
        self._take("delete", path)

    async def patch(self, path: str, body: dict[str, Any], *, content_type: str) -> None:
        """PATCH."""
        assert body
        assert "patch+json" in content_type
        self._take("patch", path)

    def _take(self, verb: str, path: str) -> None:
        self.asked.append((verb, path))
        self.answer(len(self.asked))


def drive(answer: Callable[[int], None], steps: int) -> tuple[Driver, Server, list[dict[str, Any]]]:
    """Some steps of a driver against that server; returns what was noted."""
    noted: list[dict[str, Any]] = []
    server = Server(answer)

    def note(**fields: Any) -> None:
        noted.append(fields)

    driver = Driver(server, Churn(), PROFILES, seeds.stream(5, "traffic"), note)  # type: ignore[arg-type]

    async def work() -> None:
        for _ in range(steps):
            await driver.step()

    asyncio.run(work())
    return driver, server, noted


def accept(_number: int) -> None:
    """Everything goes well."""


def test_each_operation_is_noted_before_and_after() -> None:
    """Invocation and outcome carry the same number, and every accepted operation counts."""
    driver, server, noted = drive(accept, 40)

    pods = [path for verb, path in server.asked if verb == "create"]
    assert [path.removesuffix("/binding") for verb, path in server.asked if verb == "bind"] == pods
    assert driver.ok == len(server.asked) - len(pods) == 40
    assert [entry["phase"] for entry in noted] == ["invoke", "ok"] * 40
    assert [entry["id"] for entry in noted[::2]] == [entry["id"] for entry in noted[1::2]] == list(range(40))
    assert all(first["object"] == second["object"] for first, second in zip(noted[::2], noted[1::2], strict=True))


def test_an_operation_without_an_answer_is_indeterminate() -> None:
    """A creation that got no answer may have happened: its name is not used again as if it were free."""

    def away(_number: int) -> None:
        raise ApiUnavailableError("POST: no answer in time")

    driver, _, noted = drive(away, 30)

    assert driver.ok == 0
    assert {entry["phase"] for entry in noted} == {"invoke", "info"}
    created = [e["object"] for e in noted if e["op"] == "create" and e["phase"] == "invoke"]
    assert len(created) == len(set(created)) or driver.pods.live


def test_a_refusal_is_a_failure_and_a_server_error_is_not() -> None:
    """4xx had no effect; 5xx may have had one."""

    def refuse(number: int) -> None:
        raise ApiError("no", status=404 if number % 2 else 500)

    driver, _, noted = drive(refuse, 20)

    assert [e["phase"] for e in noted if e["phase"] != "invoke"] == ["fail", "info"] * 10
    assert driver.ok == 0


def test_a_refused_creation_leaves_the_name_free() -> None:
    """A pod that was not accepted is not counted as there."""

    def refuse(_number: int) -> None:
        raise ApiError("forbidden", status=403)

    driver, _, noted = drive(refuse, 30)

    assert driver.pods.live == {}
    assert {e["op"] for e in noted} <= {"create", "set-foreign-label"}


def test_without_nodes_there_is_no_traffic() -> None:
    """A cluster that has lost its last node is left alone."""
    noted: list[dict[str, Any]] = []
    driver = Driver(
        Server(accept), Churn(), {}, seeds.stream(1, "traffic"), lambda **fields: noted.append(fields)  # type: ignore[arg-type]
    )  # fmt: skip

    asyncio.run(driver.step())

    assert noted == []
