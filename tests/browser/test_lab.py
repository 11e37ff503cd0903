"""The dashboard in a real browser, started the way a user starts it."""

from __future__ import annotations

import os
import re
from collections.abc import Callable, Iterator
from pathlib import Path
from urllib.parse import urljoin

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import ROOT, Served, patience, serving

FIRST_PICTURE = 90_000
"""Milliseconds until Ray has started and torch is imported, on a busy machine."""
RUNNING_WITHIN = 60_000
STOPPED_WITHIN = 2_000
MEMORY = 250
"""MiB that the server may hold."""

AWAY = ("ERR_CONNECTION_REFUSED", "WebSocket", "disconnected from server", "could not be drawn")
"""What a browser says while there is no server."""

PRUNED = "attack=inverting-gradients&attack.iterations=1500&defenses=pruning&victim.label=1"

STEP = "() => Number(document.querySelector('.live-plot')?.dataset.step ?? 0)"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def press(page: Page, name: str) -> None:
    """By keyboard, as everything can be."""
    button = page.get_by_role("button", name=name, exact=True)
    expect(button).to_be_enabled()
    button.focus()
    page.keyboard.press("Enter")


def status(page: Page, word: str, *, within: float = 20_000) -> None:
    expect(page.locator(".st-key-status").get_by_text(word, exact=True)).to_be_visible(timeout=within)


def reconstruction(page: Page) -> Locator:
    return page.locator("img[alt^='Reconstruction']").first


def ask_for_a_long_run(page: Page) -> None:
    """A setup by its address, with so many iterations that the run outlasts the test."""
    page.goto(urljoin(page.url, f"/?{PRUNED}"))
    page.get_by_text("Advanced", exact=True).click()
    iterations = page.get_by_role("spinbutton", name="Iterations", exact=True)
    expect(iterations).to_have_value("1500")
    iterations.fill("1000000")
    iterations.press("Enter")
    page.get_by_text("Advanced", exact=True).click()
    press(page, "Start")
    expect(page).to_have_url(re.compile(r"\?run=[0-9a-f]{16}$"))


def photograph(page: Page, name: str) -> None:
    """Keep what it looks like, in light and dark, wide and narrow, where somebody asked for pictures."""
    if "GIA_SHOTS" not in os.environ:
        return
    folder = Path(os.environ["GIA_SHOTS"])
    folder.mkdir(parents=True, exist_ok=True)
    for scheme in ("dark", "light"):
        page.emulate_media(color_scheme=scheme)
        for width in (800, 1500):
            page.set_viewport_size({"width": width, "height": 1050})
            page.wait_for_timeout(700)
            page.screenshot(path=folder / f"{name}-{scheme}-{width}.png")
    page.set_viewport_size({"width": 1500, "height": 950})


def test_a_question_is_answered_live(server: Served, new_page: Callable[..., Page]) -> None:
    page = new_page()
    expect(page.get_by_text("See what a shared gradient gives away")).to_be_visible(timeout=60_000)
    photograph(page, "welcome")
    ask_for_a_long_run(page)

    expect(reconstruction(page)).to_be_visible(timeout=FIRST_PICTURE)
    seen = reconstruction(page).get_attribute("src")
    expect(reconstruction(page)).not_to_have_attribute("src", seen, timeout=RUNNING_WITHIN)
    page.wait_for_function(f"() => ({STEP})() > 2", timeout=RUNNING_WITHIN)
    page.evaluate("() => { window.drawn = document.querySelector('.live-plot .main-svg') }")
    grown = page.evaluate(STEP)
    page.wait_for_function(f"step => ({STEP})() > step", arg=grown, timeout=RUNNING_WITHIN)
    assert page.evaluate("() => window.drawn.isConnected"), "the chart was built anew"
    for name in ("Original", "Difference"):
        expect(page.locator(f"img[alt^='{name}']").first).to_be_visible()
    for name in ("Loss", "Quality"):
        expect(page.locator(f".live-plot[aria-label^='{name}']")).to_be_visible()
    assert frames_within(page, seconds=4) <= 2 * 4 + 1
    photograph(page, "running")

    page.reload()
    status(page, "running", within=RUNNING_WITHIN)
    again = page.evaluate(STEP)
    page.wait_for_function(f"step => ({STEP})() > step", arg=again, timeout=RUNNING_WITHIN)

    press(page, "Pause")
    status(page, "paused")
    held = settled_step(page)
    press(page, "Step")
    page.wait_for_function(f"step => ({STEP})() === step + 1", arg=held, timeout=RUNNING_WITHIN)
    status(page, "paused")
    press(page, "Resume")
    page.wait_for_function(f"step => ({STEP})() > step + 1", arg=held, timeout=RUNNING_WITHIN)
    press(page, "Stop")
    status(page, "stopped", within=STOPPED_WITHIN * patience())
    expect(page.get_by_text("Stopped after").first).to_be_visible()
    expect(page.get_by_role("button", name="Pause")).to_have_count(0)
    photograph(page, "stopped")
    assert server.memory() < MEMORY


def frames_within(page: Page, *, seconds: float) -> int:
    """How often the reconstruction changes."""
    return page.evaluate(
        """seconds => new Promise(resolve => {
            const image = () => document.querySelector("img[alt^='Reconstruction']").src;
            let changes = 0, last = image();
            const watch = setInterval(() => { const now = image(); changes += now !== last; last = now; }, 20);
            setTimeout(() => { clearInterval(watch); resolve(changes); }, seconds * 1000);
        })""",
        seconds,
    )


def settled_step(page: Page) -> int:
    """The iteration at which a paused run stands, once the page has caught up with it."""
    page.wait_for_function(
        f"""() => {{
            const now = ({STEP})();
            window.alike = now === window.before ? window.alike + 1 : 0;
            window.before = now;
            return window.alike >= 3;  // a busy machine may leave seconds between two drawings
        }}""",
        polling=1200,
        timeout=RUNNING_WITHIN,
    )
    return page.evaluate(STEP)


def test_a_run_is_opened_by_its_address_exported_and_deleted(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.get_by_role("link", name="Runs", exact=True).click()
    page.get_by_role("link", name="Open").first.click()
    expect(page).to_have_url(re.compile(r"\?run=[0-9a-f]{16}$"))
    status(page, "stopped")
    address = page.url.removeprefix(page.url.split("/?")[0])

    other = new_page(address)
    status(other, "stopped")
    expect(reconstruction(other)).to_be_visible()
    expect(other.get_by_role("slider")).to_be_visible()

    page.get_by_role("link", name="Runs", exact=True).click()
    photograph(page, "runs")
    with page.expect_download() as download:
        page.get_by_role("button", name="Export").click()
    assert download.value.suggested_filename.endswith(".zip")
    page.get_by_role("button", name="Delete", exact=True).click()
    page.get_by_role("button", name="Delete for good").click()
    expect(page.get_by_text("No runs yet")).to_be_visible(timeout=10_000)
    other.reload()
    expect(other.get_by_text("There is no run with this address")).to_be_visible(timeout=10_000)


def test_the_doctor_is_readable(new_page: Callable[..., Page]) -> None:
    page = new_page()
    page.get_by_role("link", name="Doctor").click()
    expect(page.get_by_role("rowheader", name="Python")).to_be_visible(timeout=10_000)
    photograph(page, "doctor")


def test_a_malicious_server_is_allowed_by_a_click_and_exposed(new_page: Callable[..., Page]) -> None:
    page = new_page("/?attack=robbing-the-fed&batch_size=64")
    expect(page.get_by_role("button", name="Start")).to_be_disabled(timeout=60_000)
    photograph(page, "unmet")
    press(page, "Do all of this")
    press(page, "Start")
    status(page, "finished", within=FIRST_PICTURE)
    expect(page.get_by_text("the server changed the model")).to_be_visible()
    expect(page.get_by_text("there is no loss to follow")).to_be_visible()
    expect(page.get_by_role("slider")).to_have_count(0)
    expect(page.locator(".live-plot")).to_have_count(0)
    assert frame_over_image(page) <= 2
    photograph(page, "malicious-server")


def frame_over_image(page: Page) -> float:
    """How many pixels the frame of the best image lies outside of the grid that it is drawn over."""
    frame = page.locator(".st-key-grid-reconstruction .gia-best").bounding_box()
    image = reconstruction(page).bounding_box()
    assert frame
    assert image
    outside = [image["x"] - frame["x"], frame["x"] + frame["width"] - image["x"] - image["width"]]
    outside += [image["y"] - frame["y"], frame["y"] + frame["height"] - image["y"] - image["height"]]
    return max(outside)


def test_the_page_outlives_the_server(server: Served, new_page: Callable[..., Page], complaints: list[str]) -> None:
    page = new_page()
    expect(page.get_by_role("button", name="Start")).to_be_enabled(timeout=60_000)
    ask_for_a_long_run(page)
    status(page, "running", within=FIRST_PICTURE)
    page.wait_for_function(f"() => ({STEP})() > 2", timeout=FIRST_PICTURE)
    server.kill()
    before = page.evaluate(STEP)
    server.start()
    page.wait_for_function(f"step => ({STEP})() > step", arg=before, timeout=RUNNING_WITHIN)
    press(page, "Stop")
    status(page, "stopped")
    complaints[:] = [found for found in complaints if not any(words in found for words in AWAY)]


def test_the_readme_shows_what_there_is(server: Served, new_page: Callable[..., Page]) -> None:
    """Takes the picture for the README where somebody asked for it; a finished run of the first question."""
    if "GIA_README_SHOT" not in os.environ:
        pytest.skip("GIA_README_SHOT asks for a new picture")
    page = new_page()
    expect(page.get_by_role("button", name="Start")).to_be_enabled(timeout=60_000)
    press(page, "Start")
    status(page, "finished", within=FIRST_PICTURE)
    page.set_viewport_size({"width": 1500, "height": 1090})
    page.locator("[data-testid=stMain]").evaluate("main => main.scrollTo(0, 0)")
    page.wait_for_timeout(1_500)
    page.screenshot(path=ROOT / "assets" / "screenshot.png")
