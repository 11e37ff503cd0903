"""What every browser test needs: one browser for all of them, and pages that report whatever goes wrong."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterator

import chromium
import pytest
from playwright.sync_api import Browser, Page, expect, sync_playwright
from served import Served

from gia_core.store import RunStore

ARGUMENTS = [
    "--headless",
    "--no-sandbox",
    "--disable-gpu",
    "--disable-quic",
    "--no-first-run",
    "--disable-background-networking",
    "--disable-component-update",
    "--disable-sync",
]

expect.set_options(timeout=20_000)


@pytest.fixture(scope="session")
def browser() -> Iterator[Browser]:
    program = chromium.installed()
    if program is None:
        pytest.fail(chromium.MISSING) if os.environ.get("CI") == "true" else pytest.skip(chromium.MISSING)
    with sync_playwright() as playwright:
        started = playwright.chromium.launch(executable_path=program, args=ARGUMENTS)
        yield started
        started.close()


@pytest.fixture
def store(server: Served) -> Iterator[RunStore]:
    """That of the module's own ``server``."""
    opened = RunStore(f"sqlite:///{server.home / 'gia.db'}", home=server.home)
    yield opened
    opened.close()


@pytest.fixture
def complaints() -> list[str]:
    """What the browser found wrong; a test that expects something of it empties the list."""
    return []


@pytest.fixture
def new_page(browser: Browser, server: Served, complaints: list[str]) -> Iterator[Callable[..., Page]]:
    """Opens a page of the module's own ``server`` that reports every error, and every request to anything else."""
    contexts = []
    own = (server.url, server.url.replace("http", "ws"), "data:", "blob:")

    def opened(address: str = "/") -> Page:
        contexts.append(browser.new_context(viewport={"width": 1500, "height": 950}))
        page = contexts[-1].new_page()
        page.on("console", lambda message: complaints.append(message.text) if message.type == "error" else None)
        page.on("pageerror", lambda error: complaints.append(str(error)))
        page.on("request", lambda r: None if r.url.startswith(own) else complaints.append(f"request to {r.url}"))
        page.goto(server.url + address)
        return page

    yield opened
    for context in contexts:
        context.close()
    assert complaints == []
