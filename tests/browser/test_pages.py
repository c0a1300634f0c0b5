"""Each page, wide and as on a phone: nothing is fetched, runs or sticks out, and every link leads somewhere."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING
from urllib.parse import unquote, urlsplit

import pytest

if TYPE_CHECKING:
    from collections.abc import Iterator

    from playwright.sync_api import Browser, Page

DESKTOP, PHONE = (1280, 900), (390, 844)

LINKS = "[...document.querySelectorAll('a[href]')].map(a => new URL(a.getAttribute('href'), location).href)"
WIDTH = """() => new Promise(tell => requestAnimationFrame(() => requestAnimationFrame(
    () => tell(document.documentElement.scrollWidth))))"""
"""The width of a page that has been laid out and painted."""


class Seen:
    """A page, and what it did: `asked` for addresses, `said` on the console, opened `dialogs`."""

    def __init__(self, page: Page) -> None:
        self.page = page
        self.asked: list[str] = []
        self.said: list[str] = []
        self.dialogs: list[str] = []
        page.on("request", lambda request: self.asked.append(request.url))
        page.on("console", lambda message: self.said.append(message.text))
        page.on("pageerror", lambda error: self.said.append(str(error)))
        page.on("dialog", self._dialog)

    def _dialog(self, dialog: object) -> None:
        self.dialogs.append(str(dialog))


@pytest.fixture(params=[DESKTOP, PHONE], ids=["desktop", "phone"])
def seen(request: pytest.FixtureRequest, browser: Browser) -> Iterator[Seen]:
    """A fresh page of that size, without a network."""
    width, height = request.param
    context = browser.new_context(
        viewport={"width": width, "height": height}, offline=True, is_mobile=request.param == PHONE
    )
    yield Seen(context.new_page())
    context.close()


def pages(out: Path) -> list[Path]:
    """Every page of a campaign or a gate, the first one first."""
    first = next(path for path in (out / "index.html", out / "gate.html") if path.exists())
    return [first, *sorted({*out.rglob("index.html"), *out.rglob("report.html")} - {first})]


def test_a_page_is_complete_in_itself(seen: Seen, written: Path) -> None:
    """It asks for nothing but itself, says nothing on the console, has no script, and opens no dialog."""
    for path in pages(written):
        seen.page.goto(path.as_uri())

        assert [url for url in seen.asked if not url.startswith(("file:", "data:"))] == []
        assert seen.page.locator("script, iframe, object, embed, form").count() == 0
        assert seen.page.locator("h1").inner_text()
    assert len(seen.asked) >= len(pages(written))
    assert seen.said == []
    assert seen.dialogs == []


def test_nothing_sticks_out_of_a_page(seen: Seen, written: Path) -> None:
    """The page itself never scrolls sideways; what is wider than it scrolls in a place of its own."""
    for path in pages(written):
        seen.page.goto(path.as_uri())
        width = seen.page.evaluate(WIDTH)

        assert seen.page.viewport_size is not None
        assert width <= seen.page.viewport_size["width"], f"{path.name} of {path.parent.name} is {width} px wide"


def test_whatever_scrolls_can_be_scrolled_by_keyboard(seen: Seen, written: Path) -> None:
    """Each place that is wider than what it shows can have the focus, or has a link in it that can."""
    for path in pages(written):
        seen.page.goto(path.as_uri())
        stuck = seen.page.evaluate(
            """() => [...document.querySelectorAll("main *")]
                .filter(e => e.scrollWidth > e.clientWidth + 1 && getComputedStyle(e).overflowX === "auto")
                .filter(e => e.tabIndex < 0 && !e.querySelector("a[href], summary, [tabindex='0']"))
                .map(e => e.outerHTML.slice(0, 80))"""
        )

        assert stuck == []


def test_the_first_key_leads_past_the_head_of_a_page(seen: Seen, written: Path) -> None:
    """The first press of Tab shows the link to the content, and Enter follows it."""
    for path in pages(written):
        seen.page.goto(path.as_uri())
        seen.page.keyboard.press("Tab")

        assert seen.page.evaluate("document.activeElement.className") == "skip"
        seen.page.keyboard.press("Enter")
        assert urlsplit(seen.page.url).fragment == "main"
        assert seen.page.locator("#main").count() == 1


def test_every_link_leads_somewhere(seen: Seen, written: Path) -> None:
    """Links within the campaign name files that are there, and places that the page has."""
    followed = 0
    for path in pages(written):
        seen.page.goto(path.as_uri())
        for link in seen.page.evaluate(LINKS):
            parts = urlsplit(link)
            if parts.scheme != "file":
                continue
            target = Path(unquote(parts.path))
            followed += 1

            assert target.exists(), f"{path.name} links to {link}"
            if parts.fragment and target == path:
                assert seen.page.evaluate("id => document.getElementById(id) !== null", unquote(parts.fragment))
    assert followed
