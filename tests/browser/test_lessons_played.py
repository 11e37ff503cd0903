"""The lessons in a real browser: a search that plays, pauses and steps, and a wipe over what was measured."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from seeded import seed_run
from served import Served, serving
from test_lab import photograph

from gia_core.store import RunStore
from ui.lessons.remedies import PHASES

PRUNING = PHASES[2].named("Pruning")
STEPS = "() => Math.max(0, ...[...document.querySelectorAll('.live-plot')].map(chart => Number(chart.dataset.step)))"
DISTANCES = "() => [...document.querySelectorAll('.live-plot')].find(chart => chart.data)?.data[0].y"
SIDEWAYS = "main => main.scrollWidth - main.clientWidth"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """With the reader's own runs of one remedy, which the attacker who knows of it undoes."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    for spec, closeness in zip(PRUNING.trial(PRUNING.usual) or (), (1.0, 0.2, 0.9), strict=True):
        seed_run(store, spec, closeness=closeness)
    store.close()
    with serving(home) as served:
        yield served


def open_lesson(new_page: Callable[..., Page], title: str) -> Page:
    """By the menu, as a reader does."""
    page = new_page()
    page.get_by_role("link", name=title).click(timeout=60_000)
    expect(page.get_by_role("heading", name=title, exact=True)).to_be_visible(timeout=60_000)
    return page


def test_a_search_plays_pauses_and_steps(new_page: Callable[..., Page]) -> None:
    page = open_lesson(new_page, "How a gradient leaks")
    play, pause, step = (page.get_by_role("button", name=name, exact=True) for name in ("Play", "Pause", "Step"))
    step.click(timeout=60_000)
    expect(page.get_by_text("Iteration 1 of 400")).to_be_visible()
    step.click()
    expect(page.get_by_text("Iteration 2 of 400")).to_be_visible()
    page.wait_for_function(f"() => ({STEPS})() === 2")

    play.click()
    page.wait_for_function(f"() => ({STEPS})() >= 30", timeout=60_000)
    distances = page.evaluate(DISTANCES)
    assert distances[-1] < distances[0] / 5
    pause.click()
    expect(pause).to_be_disabled()
    expect(play).to_be_enabled()
    photograph(page, "lesson-search")

    reached = int(re.findall(r"\d+", page.get_by_text(re.compile(r"Iteration \d+ of 400")).inner_text())[0])
    step.click()
    expect(page.get_by_text(f"Iteration {reached + 1} of 400")).to_be_visible()
    expect(page.get_by_alt_text(re.compile("^Reconstruction: the dummy, PSNR"))).to_be_visible()


def test_a_picture_is_chosen_and_read_off_by_keyboard(new_page: Callable[..., Page]) -> None:
    page = open_lesson(new_page, "How a gradient leaks")
    expect(page.get_by_alt_text("Reconstruction of cat, exact")).to_be_visible(timeout=60_000)
    noise = page.get_by_role("slider", name="Noise (standard deviation)")
    noise.focus()
    page.keyboard.press("Home")
    expect(page.get_by_alt_text("Reconstruction of cat, exact")).to_have_count(2)


def test_the_wipe_shows_what_the_chosen_attacker_finds(new_page: Callable[..., Page]) -> None:
    page = open_lesson(new_page, "What helps")
    phase = page.locator(".st-key-lesson-phase-3")
    border = phase.get_by_role("slider", name="Wipe between the two pictures")
    expect(border).to_have_attribute("aria-valuetext", "50 % Without it, 50 % With it", timeout=60_000)
    photograph(page, "lesson-helps")
    found = phase.locator("img.right")
    naive = found.get_attribute("src")
    phase.get_by_role("button", name="knows", exact=True).or_(
        phase.get_by_role("radio", name="knows", exact=True)
    ).click()
    expect(phase.get_by_text("Recovered: the image")).to_be_visible()
    expect(found).not_to_have_attribute("src", naive or "")
    border.focus()
    page.keyboard.press("Home")
    expect(border).to_have_attribute("aria-valuetext", "0 % Without it, 100 % With it")


@pytest.mark.parametrize("title", ["How a gradient leaks", "What helps"])
def test_a_narrow_lesson_needs_no_scrolling_to_the_side(title: str, new_page: Callable[..., Page]) -> None:
    page = open_lesson(new_page, title)
    page.set_viewport_size({"width": 800, "height": 950})
    expect(page.get_by_text(re.compile(r"about \d+ minutes"))).to_be_visible()
    assert page.locator("[data-testid=stMain]").evaluate(SIDEWAYS) == 0
