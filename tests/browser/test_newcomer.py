"""Somebody who has never been here, from the first page to a report in hand, in a few clicks."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import Served, serving
from test_lab import photograph

from gia_core.gallery import CARDS

CARD = next(card for card in CARDS if card.name == "one-layer")
"""Its attack takes no time."""
MOST_CLICKS = 8
RUN_OVER = 240_000
"""Milliseconds until Ray has started and a short run is over on a busy machine."""


class Newcomer:
    """Looks and clicks, and does nothing else: nothing is typed, no address is known."""

    def __init__(self, page: Page) -> None:
        self._page = page
        self.clicks = 0

    def click(self, role: str, name: str | re.Pattern[str]) -> None:
        target = self._page.get_by_test_id("stMain").or_(self._page.get_by_test_id("stPopoverBody"))
        target = target.get_by_role(role, name=name).first
        expect(target).to_be_visible(timeout=60_000)
        expect(target).to_be_enabled()
        target.click()
        self.clicks += 1

    def sees(self, what: str | re.Pattern[str], *, within: float = 60_000) -> None:
        expect(self._page.get_by_text(what).first).to_be_visible(timeout=within)

    def sees_status(self, word: str, *, within: float = 60_000) -> None:
        expect(self._page.locator(".st-key-status")).to_contain_text(re.compile(rf"\b{word}"), timeout=within)

    def pictures(self, name: str) -> Locator:
        return self._page.get_by_role("img", name=re.compile(f"^{name}"))

    def shown(self, name: str) -> None:
        photograph(self._page, f"newcomer-{name}")


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def test_from_the_first_page_to_a_report(new_page: Callable[..., Page], tmp_path: Path) -> None:
    page = new_page()
    newcomer = Newcomer(page)

    newcomer.click("button", CARD.question)
    newcomer.sees_status("recorded")
    newcomer.sees(re.compile("^The first layer of a fully connected network is enough"))
    newcomer.shown("answer")

    newcomer.click("button", "Run it live")
    newcomer.sees("Show the recording")
    newcomer.sees_status("finished", within=RUN_OVER)
    newcomer.sees(re.compile("^Recovered: "))
    newcomer.shown("live")

    newcomer.click("button", "Add a defense")
    newcomer.shown("defenses")
    newcomer.click("button", "Pruning")
    expect(newcomer.pictures("Reconstruction")).to_have_count(3, timeout=RUN_OVER)
    newcomer.sees(re.compile("Too few images"), within=RUN_OVER)
    newcomer.shown("comparison")

    newcomer.click("link", "Report")
    with page.expect_download(timeout=60_000) as download:
        newcomer.click("button", "Write the report")
    download.value.save_as(tmp_path / "report.html")
    newcomer.shown("report")
    assert "How does what an attacker gets back depend on:" in (tmp_path / "report.html").read_text(encoding="utf-8")
    assert newcomer.clicks <= MOST_CLICKS
