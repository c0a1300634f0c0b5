"""The Kubernetes API, as little of it as the operator needs, over aiohttp.

Every request has a deadline. Failures are mapped here: no answer (refused, reset, timed out, cut off) raises
ApiUnavailableError, an answer that is not success raises ApiError, and an answer that is not what the API server would
say raises ApiUnavailableError too, because nothing can be concluded from it.
"""

from __future__ import annotations

import json
from typing import TYPE_CHECKING, Any, Self

import aiohttp

from harness.errors import ApiError, ApiUnavailableError

if TYPE_CHECKING:
    from collections.abc import AsyncGenerator, Mapping

    from harness.reference.kubeconfig import Access

# TLS to a healthy API server takes milliseconds; what takes longer is away.
_CONNECT_S = 2.0
# A page of 500 pods on a machine with 2 busy cores takes well under a second.
_PAGE_S = 8.0
_PAGE_ITEMS = 500
# Cut to what a hardware answer can sensibly be (the largest known ones have some 200 KiB).
_ANSWER_BYTES = 8 << 20

_TRANSPORT = (aiohttp.ClientError, TimeoutError, OSError)


class KubeClient:
    """One connection pool to one API server. Use as an async context manager."""

    def __init__(self, access: Access, *, api_timeout_s: float) -> None:
        self._access = access
        self._api_timeout_s = api_timeout_s
        self._session: aiohttp.ClientSession | None = None

    @property
    def access(self) -> Access:
        """Where the API server is, for what takes a connection of its own."""
        return self._access

    async def __aenter__(self) -> Self:
        connector = aiohttp.TCPConnector(ssl=self._access.tls or False, limit=0)
        self._session = aiohttp.ClientSession(connector=connector, auto_decompress=True)
        return self

    async def __aexit__(self, *_: object) -> None:
        if self._session is not None:
            await self._session.close()

    async def list_page(self, path: str, token: str = "", *, version: str = "") -> tuple[list[Any], str, str]:
        """One page of a list: items, resourceVersion, and the token of the next page (empty on the last).

        `version`: the list need not be newer than that ("": it is the latest); a page that follows is of the same list.
        """
        params = {"limit": str(_PAGE_ITEMS)}
        if token:
            params["continue"] = token
        elif version:
            params["resourceVersion"] = version
        body = await self._json("GET", path, params=params, deadline_s=_PAGE_S)
        try:
            meta = body["metadata"]
            return body["items"] or [], meta["resourceVersion"], meta.get("continue") or ""
        except (KeyError, TypeError) as exc:
            raise ApiUnavailableError(f"the list of {path} is not a list: {str(body)[:120]!r}") from exc

    async def probe(self) -> None:
        """Prove that the API server and its datastore answer: the smallest list there is."""
        await self._json("GET", "/api/v1/nodes", params={"limit": "1"}, deadline_s=self._api_timeout_s)

    async def get(self, path: str) -> dict[str, Any]:
        """One object."""
        found: dict[str, Any] = await self._json("GET", path)
        return found

    async def create(self, path: str, body: Mapping[str, Any]) -> None:
        """Create an object in the collection `path`."""
        await self._json("POST", path, body=body)

    async def delete(self, path: str, *, uid: str = "", grace_s: int = 0) -> None:
        """Delete the object at `path`, only when it still has that uid (empty: whatever it has)."""
        options: dict[str, Any] = {"gracePeriodSeconds": grace_s}
        if uid:
            options["preconditions"] = {"uid": uid}
        await self._json("DELETE", path, body=options)

    async def patch(self, path: str, body: Any, *, kind: str = "merge-patch") -> None:
        """Patch the object at `path`; `kind` is merge-patch or json-patch."""
        await self._json("PATCH", path, body=body, content_type=f"application/{kind}+json")

    async def proxy_get(self, path: str, *, deadline_s: float) -> Any:
        """The JSON a pod answers through the API server's proxy."""
        return await self._json("GET", path, deadline_s=deadline_s)

    async def watch(self, path: str, resource_version: str, *, timeout_s: int) -> AsyncGenerator[dict[str, Any], None]:
        """The events after `resource_version`, until the server ends the watch.

        A stream that outlives `timeout_s` by 5 s is dead (the server ends it by itself) and raises ApiUnavailableError.
        """
        params = {
            "watch": "1",
            "resourceVersion": resource_version,
            "allowWatchBookmarks": "true",
            "timeoutSeconds": str(timeout_s),
        }
        timeout = aiohttp.ClientTimeout(total=timeout_s + 5, sock_connect=_CONNECT_S)
        try:
            async with self._open("GET", path, params=params, timeout=timeout) as response:
                if response.status != 200:
                    raise _refusal("GET", path, response.status, await _read(response))
                # Own line splitting: aiohttp's readline refuses lines of more than 64 KiB, and objects can be larger.
                rest = b""
                async for chunk in response.content.iter_any():
                    *lines, rest = (rest + chunk).split(b"\n")
                    for line in lines:
                        if line.strip():
                            yield _event(path, line)
                if rest.strip():
                    raise ApiUnavailableError(f"the watch of {path} was cut off in the middle of an event")
        except _TRANSPORT as exc:
            raise ApiUnavailableError(f"the watch of {path} broke: {_short(exc)}") from exc

    def _open(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        data: bytes | None = None,
        content_type: str = "application/json",
        timeout: aiohttp.ClientTimeout,
    ) -> Any:
        if self._session is None:
            raise ApiUnavailableError("the client is not open")
        headers = self._access.all_headers() | {"Accept": "application/json", "User-Agent": "reference-inventory"}
        if data is not None:
            headers["Content-Type"] = content_type
        return self._session.request(
            method, self._access.url + path, params=params, data=data, headers=headers, timeout=timeout
        )

    async def _json(
        self,
        method: str,
        path: str,
        *,
        params: Mapping[str, str] | None = None,
        body: Any = None,
        content_type: str = "application/json",
        deadline_s: float | None = None,
    ) -> Any:
        timeout = aiohttp.ClientTimeout(total=deadline_s or self._api_timeout_s, sock_connect=_CONNECT_S)
        data = None if body is None else json.dumps(body).encode()
        try:
            async with self._open(
                method, path, params=params, data=data, content_type=content_type, timeout=timeout
            ) as response:
                status, text = response.status, await _read(response)
        except _TRANSPORT as exc:
            raise ApiUnavailableError(f"no answer to {method} {path}: {_short(exc)}") from exc
        if status >= 300:
            raise _refusal(method, path, status, text)
        try:
            return json.loads(text)
        except (ValueError, RecursionError) as exc:  # the latter: brackets nested by the thousand
            raise ApiUnavailableError(f"{method} {path} answered no JSON: {text[:120]!r}") from exc


def _short(exc: BaseException) -> str:
    """What went wrong below, without aiohttp's connection key."""
    return f"{type(exc).__name__}: {str(exc)[:160]}" if str(exc) else type(exc).__name__


async def _read(response: aiohttp.ClientResponse) -> bytes:
    """The whole body; the proxied ones are not ours, so there is a limit."""
    parts, size = [], 0
    async for chunk in response.content.iter_any():
        parts.append(chunk)
        size += len(chunk)
        if size > _ANSWER_BYTES and "/proxy/" in response.url.path:
            raise aiohttp.ClientPayloadError(f"more than {_ANSWER_BYTES} bytes")
    return b"".join(parts)


def _refusal(method: str, path: str, status: int, text: bytes) -> ApiError:
    try:
        answer = json.loads(text)
    except ValueError:
        answer = None
    if isinstance(answer, dict) and answer.get("kind") == "Status":
        reason, message = str(answer.get("reason", "")), str(answer.get("message", ""))
    else:
        reason, message = "", text[:120].decode(errors="replace")
    return ApiError(f"{method} {path} was answered {status} {reason}: {message}", status=status, reason=reason)


def _event(path: str, line: bytes) -> dict[str, Any]:
    try:
        event = json.loads(line)
    except ValueError as exc:
        raise ApiUnavailableError(f"the watch of {path} brought no JSON: {line[:120]!r}") from exc
    if not isinstance(event, dict):
        raise ApiUnavailableError(f"the watch of {path} brought no event: {line[:120]!r}")
    return event
