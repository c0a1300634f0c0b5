"""Heads and bodies as they come over a wire, in any pieces."""

from __future__ import annotations

import asyncio

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.http1 import Body, Reader, answer_body, in_json, read_head, request_body

NAME = st.from_regex(r"[A-Za-z][A-Za-z0-9-]{0,20}", fullmatch=True).filter(
    lambda name: name.lower() not in {"content-length", "transfer-encoding"}
)
VALUE = st.text(st.characters(min_codepoint=33, max_codepoint=255, exclude_characters="\x7f\x85\xa0"), max_size=30)
CHUNKS = st.lists(st.binary(min_size=1, max_size=300), max_size=6)


def fed(data: bytes) -> Reader:
    """A stream that brings this and ends."""
    reader = Reader()
    reader.feed_data(data)
    reader.feed_eof()
    return reader


@given(st.dictionaries(NAME, VALUE, max_size=8))
def test_a_head_is_kept_as_it_was(fields: dict[str, str]) -> None:
    """Its bytes are passed on, and what is looked up in it does not depend on the case of names."""
    lines = [f"{name}: {value}" for name, value in fields.items()]
    raw = "\r\n".join(["GET /api/v1/nodes?a=b HTTP/1.1", *lines, "", ""]).encode("latin-1")

    async def story() -> None:
        reader = fed(raw + b"next")
        head = await read_head(reader)
        assert head is not None
        assert head.raw == raw
        assert head.first == ("GET", "/api/v1/nodes?a=b", "HTTP/1.1")
        assert head.fields == {name.lower(): value for name, value in fields.items()}
        assert await reader.read() == b"next"

    asyncio.run(story())


@given(CHUNKS, st.booleans(), st.booleans())
def test_a_chunked_body_is_framed_as_it_came(chunks: list[bytes], extended: bool, trailed: bool) -> None:
    """Its content is whole, and what is passed on says the same, trailer included."""
    extension, trailer = b";a=b" if extended else b"", b"X-Sum: 7\r\n" if trailed else b""
    wire = b"".join(b"%x%b\r\n%b\r\n" % (len(chunk), extension, chunk) for chunk in chunks)
    wire += b"0\r\n" + trailer + b"\r\n"

    async def story() -> None:
        reader = fed(wire + b"next")
        body = Body(reader, None)
        pieces = [piece async for piece in body.pieces()]
        assert b"".join(pieces) == b"".join(chunks)
        assert await reader.read() == b"next"
        again = Body(fed(b"".join(map(body.framed, pieces)) + body.end()), None)
        assert await again.whole() == b"".join(chunks)
        assert again.trailer == trailer

    asyncio.run(story())


@given(CHUNKS.filter(bool), st.data())
def test_a_body_that_is_not_whole_is_none(chunks: list[bytes], data: st.DataObject) -> None:
    """Cut off anywhere, it raises and is never taken for a shorter one."""
    wire = b"".join(b"%x\r\n%b\r\n" % (len(chunk), chunk) for chunk in chunks) + b"0\r\n\r\n"
    content = b"".join(chunks)
    cut = data.draw(st.integers(0, len(wire) - 1))

    async def story() -> None:
        with pytest.raises(ConnectionError):
            await Body(fed(wire[:cut]), None).whole()
        with pytest.raises(ConnectionError):
            await Body(fed(content[: min(cut, len(content) - 1)]), len(content)).whole()

    asyncio.run(story())


@pytest.mark.parametrize(
    ("first", "fields", "method", "length", "to_the_end"),
    [
        ("HTTP/1.1 200 OK", "Content-Length: 7", "GET", 7, False),
        ("HTTP/1.1 200 OK", "Transfer-Encoding: Chunked", "GET", None, False),
        ("HTTP/1.1 200 OK", "A: b", "GET", None, True),
        ("HTTP/1.1 200 OK", "Content-Length: 7", "HEAD", 0, False),
        ("HTTP/1.1 204 No Content", "A: b", "GET", 0, False),
        ("HTTP/1.1 304 Not Modified", "Content-Length: 7", "GET", 0, False),
    ],
)
def test_an_answers_length_is_told_by_its_head(
    first: str, fields: str, method: str, length: int | None, to_the_end: bool
) -> None:
    """A length, chunks, or up to the end; none where there can be no body."""

    async def story() -> None:
        reader = fed(f"{first}\r\n{fields}\r\n\r\n".encode())
        head = await read_head(reader)
        assert head is not None
        body = answer_body(head, reader, method=method)
        assert (body.length, body.to_the_end) == (length, to_the_end)

    asyncio.run(story())


@pytest.mark.parametrize(
    ("head", "closes"),
    [
        ("GET / HTTP/1.1\r\nConnection: close", True),
        ("GET / HTTP/1.1\r\nConnection: keep-alive, Upgrade", False),
        ("GET / HTTP/1.1\r\nA: b", False),
        ("GET / HTTP/1.0\r\nA: b", True),
        ("GET / HTTP/1.0\r\nConnection: keep-alive", False),
        ("HTTP/1.0 200 OK\r\nA: b", True),
    ],
)
def test_whether_a_connection_goes_on_is_told_by_its_head(head: str, closes: bool) -> None:
    """It goes on unless it is said that it ends, and the other way round with HTTP/1.0."""

    async def story() -> None:
        found = await read_head(fed(f"{head}\r\n\r\n".encode()))
        assert found is not None
        assert found.closes is closes

    asyncio.run(story())


def test_an_end_before_a_head_is_an_end_and_one_within_is_not() -> None:
    """Nothing more to say is no error; half a head is one."""

    async def story() -> None:
        assert await read_head(fed(b"")) is None
        with pytest.raises(ConnectionError, match="middle of a head"):
            await read_head(fed(b"GET / HTTP/1.1\r\nA:"))
        head = await read_head(fed(b"PUT / HTTP/1.1\r\nContent-Length: 3\r\n\r\n"))
        assert head is not None
        assert request_body(head, fed(b"")).length == 3

    asyncio.run(story())


@pytest.mark.parametrize(
    ("lines", "expected"),
    [
        (
            ["Accept: application/vnd.kubernetes.protobuf, application/json", "User-Agent: it"],
            ["Accept: application/json", "User-Agent: it"],
        ),
        (
            ["User-Agent: it", "accept: application/vnd.kubernetes.protobuf;as=Table,application/json;as=Table"],
            ["User-Agent: it", "Accept: application/json;as=Table"],
        ),
        (["Accept: application/json"], ["Accept: application/json"]),
        (["Accept: application/vnd.kubernetes.protobuf"], ["Accept: application/vnd.kubernetes.protobuf"]),
        (["User-Agent: it"], ["User-Agent: it"]),
    ],
    ids=["protobuf first", "with parameters", "json alone", "protobuf alone", "none said"],
)
def test_what_takes_json_is_given_json(lines: list[str], expected: list[str]) -> None:
    """Only what is accepted changes, and only where JSON is among it."""

    def request(fields: list[str]) -> bytes:
        return "\r\n".join(["GET /api/v1/pods?watch=1 HTTP/1.1", *fields, "", ""]).encode()

    async def story() -> None:
        head = await read_head(fed(request(lines)))
        assert head is not None
        assert in_json(head) == await read_head(fed(request(expected)))

    asyncio.run(story())
