"""What may stand behind --datastore, and that no password comes back out of it."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from harness.cluster.datastore import ETCD, KINDS, SQL, DatastoreSpec, parse, parse_many
from harness.errors import UsageError

URL = "postgres://me:tell-nobody@db:5433/shop"


@pytest.mark.parametrize("kind", KINDS)
def test_a_kind_is_its_own_name(kind: str) -> None:
    """Each is taken as it is, and only SQL needs kine."""
    spec = parse(kind)

    assert spec == DatastoreSpec(kind)
    assert spec.components == (("kine",) if kind in SQL else ())


@pytest.mark.parametrize(
    ("scheme", "kind"),
    [("postgres", "postgres"), ("postgresql", "postgres"), ("mysql", "mysql"), ("mariadb", "mysql")],
)
def test_a_url_says_its_kind(scheme: str, kind: str) -> None:
    """The scheme is the kind of server, and the URL is kept as it was given."""
    url = f"{scheme}://me:tell-nobody@db"

    assert parse(url) == DatastoreSpec(kind, url)
    assert parse(url).components == ("kine",)


def test_without_a_word_it_is_one_etcd_member() -> None:
    """The usual datastore needs nothing that is optional."""
    assert DatastoreSpec() == DatastoreSpec(ETCD, "")


def test_a_url_is_never_shown() -> None:
    """Neither a specification nor a row of them shows a password when it is printed, in a traceback for instance."""
    assert "tell-nobody" not in repr(parse(URL)) + repr(parse_many(f"etcd,{URL}")) + str(parse(URL))


@pytest.mark.parametrize("text", ["all", " all "])
def test_all_are_all_kinds(text: str) -> None:
    """Each kind once, in their own order."""
    assert [spec.kind for spec in parse_many(text)] == list(KINDS)


@given(st.lists(st.sampled_from(KINDS), min_size=1, unique=True), st.sampled_from([",", ", ", " ,"]))
def test_kinds_are_separated_by_commas(kinds: list[str], comma: str) -> None:
    """The order is kept, and blanks do not matter."""
    assert parse_many(comma.join(kinds)) == tuple(DatastoreSpec(kind) for kind in kinds)


def test_a_url_may_stand_among_kinds() -> None:
    """It is one of them, of the kind of its server."""
    assert parse_many(f"etcd3,{URL},sqlite") == (
        DatastoreSpec("etcd3"),
        DatastoreSpec("postgres", URL),
        DatastoreSpec("sqlite"),
    )


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("etcd,etcd", "names etcd twice"),
        ("mysql,sqlite,mysql", "names mysql twice"),
        (f"{URL},postgres", "names postgres twice"),
        ("etdc", "'etdc' is not known"),
        ("etcd,etdc", "'etdc' is not known"),
        ("ETCD", "'ETCD' is not known"),
        ("etcd,", "'' is not known"),
        ("", "'' is not known"),
        ("oracle://me:tell-nobody@db", "'oracle' is no kind of SQL server"),
        ("etcd,oracle://me:tell-nobody@db", "'oracle' is no kind of SQL server"),
    ],
)
def test_what_cannot_be_used_is_named(text: str, said: str) -> None:
    """The error says what was given and what there is."""
    with pytest.raises(UsageError) as caught:
        parse_many(text)

    assert said in caught.value.what
    assert caught.value.hint
    assert "tell-nobody" not in str(caught.value)


@pytest.mark.parametrize(
    "text",
    [
        "oracle://me:tell-nobody@db",
        "me:tell-nobody@db/shop",
        "me:tell-nobody@oracle://db",
        "postgres:/me:tell-nobody@db",
        "postgres://me:first,tell-nobody@db",
        "postgres://me:first,tell-nobody,etcd@db",
        f"{URL},{URL}",
    ],
)
def test_no_error_repeats_a_password(text: str) -> None:
    """A URL that is mistyped, or has a comma in its password, is refused without any part of it."""
    with pytest.raises(UsageError) as caught:
        parse_many(text)

    assert "tell-nobody" not in str(caught.value)
    assert "first" not in str(caught.value)
