"""Runs side by side in a real browser: one slider and one wipe, by keyboard, live and finished."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from seeded import seed_run
from served import Served, serving
from test_lab import photograph

from gia_core.defenses import Pruning
from gia_core.spec import AuditSpec, Knowledge, Victim
from gia_core.store import RunStore, Status
from ui.compare_protection import trio

PRUNED = AuditSpec(
    batch_size=6, victim=Victim(labels="different"), defenses=(Pruning(),), knowledge=Knowledge(labels=True)
)
SHORT = (
    "/?dataset=digits&dataset.size=16&model=mlp&batch_size=6&attack=inverting-gradients&attack.iterations=40"
    "&defenses=pruning&knowledge.labels=true"
)
"""A setup with a defense whose three runs are over within seconds."""
ALL_OVER = 240_000
"""Milliseconds until Ray has started and three runs are over, one after the other, on a busy machine."""
CURSOR = "() => document.querySelector('.live-plot')?.layout?.shapes?.find(shape => shape.xref === 'x')?.x0 ?? null"


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """With the three runs that judge a defense, the adaptive attacker as close as without it."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    for spec, closeness in zip(trio(PRUNED), (1.0, 0.2, 0.99), strict=True):
        seed_run(store, spec, closeness=closeness)
    store.close()
    with serving(home) as served:
        yield served


@pytest.fixture
def link(store: RunStore) -> str:
    """To the three runs that are there from the beginning, undefended first."""
    return "/?compare=" + ",".join(run.id for run in store.runs(sort="oldest")[:3])


def reconstructions(page: Page) -> Locator:
    return page.locator(".st-key-pictures img[alt^='Reconstruction']")


def sources(page: Page) -> list[str | None]:
    return [image.get_attribute("src") for image in reconstructions(page).all()]


def test_one_slider_moves_all_runs_and_builds_nothing_anew(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    expect(reconstructions(page)).to_have_count(3, timeout=60_000)
    expect(page.get_by_text("No measurable protection")).to_be_visible()
    page.wait_for_function(f"() => ({CURSOR})() === null && document.querySelector('.live-plot .main-svg')")
    page.evaluate("() => { window.drawn = document.querySelector('.live-plot .main-svg') }")
    photograph(page, "compare")

    slider, newest = page.get_by_role("slider", name="All runs at"), sources(page)
    slider.focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => ({CURSOR})() === 90")
    expect(slider).to_have_attribute("aria-valuetext", "iteration 90 of 100")
    moved = sources(page)
    assert all(before != after for before, after in zip(newest, moved, strict=True))
    expect(page.get_by_role("region", name="Scores of the pictures above").get_by_text("90", exact=True)).to_have_count(
        3
    )

    page.keyboard.press("Home")
    page.wait_for_function(f"() => ({CURSOR})() === 10")
    page.keyboard.press("End")
    page.wait_for_function(f"() => ({CURSOR})() === null")
    assert sources(page) == newest
    assert page.evaluate("() => window.drawn.isConnected"), "the chart was built anew"


def test_a_slider_that_is_dragged_ends_where_it_was_let_go(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    slider = page.get_by_role("slider", name="All runs at")
    expect(slider).to_be_visible(timeout=60_000)
    box = slider.bounding_box()
    assert box is not None
    at = [(box["x"] + box["width"] * share, box["y"] + box["height"] / 2) for share in (0.95, 0.2, 0.7, 0.45)]
    page.mouse.move(*at[0])
    page.mouse.down()
    for x, y in at[1:]:
        page.mouse.move(x, y, steps=10)
    page.mouse.up()
    page.wait_for_function(f"() => ({CURSOR})() === 40")
    expect(slider).to_have_attribute("aria-valuetext", "iteration 40 of 100")


def test_two_pictures_are_wiped_by_keyboard(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    border = page.get_by_role("slider", name="Wipe between the two pictures")
    expect(border).to_have_attribute("aria-valuetext", re.compile("50 % Original, 50 % C · Pruning"), timeout=60_000)
    left = page.locator(".st-key-wipe img.left")
    expect(left).to_have_attribute("alt", "Original")
    before = left.evaluate("image => getComputedStyle(image).clipPath")
    border.focus()
    page.keyboard.press("ArrowLeft")
    expect(border).to_have_attribute("aria-valuetext", re.compile("^48 %"))
    assert left.evaluate("image => getComputedStyle(image).clipPath") != before
    page.keyboard.press("Home")
    expect(border).to_have_attribute("aria-valuetext", re.compile("^0 % Original, 100 %"))
    page.get_by_role("slider", name="All runs at").focus()
    page.keyboard.press("ArrowLeft")
    page.wait_for_function(f"() => ({CURSOR})() === 90")
    expect(border).to_have_attribute("aria-valuetext", re.compile("^0 %"))


def test_the_narrow_page_needs_no_scrolling_to_the_side(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    page.set_viewport_size({"width": 800, "height": 950})
    expect(reconstructions(page)).to_have_count(3, timeout=60_000)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth - main.clientWidth") == 0


def test_a_defense_is_judged_from_the_lab_live(new_page: Callable[..., Page], store: RunStore) -> None:
    page = new_page(SHORT)
    button = page.get_by_role("button", name="Naive and adaptive side by side")
    expect(button).to_be_enabled(timeout=60_000)
    photograph(page, "compare-offered")
    button.click()
    expect(page).to_have_url(re.compile(r"/compare\?compare=([0-9a-f]{16}(%2C)?){3}$"), timeout=20_000)
    expect(page.get_by_role("button", name="Stop all")).to_be_visible()
    expect(reconstructions(page)).not_to_have_count(0, timeout=ALL_OVER)
    photograph(page, "compare-live")
    expect(page.get_by_text(re.compile("protection: |Too few images|Nothing to measure"))).to_be_visible(
        timeout=ALL_OVER
    )
    expect(reconstructions(page)).to_have_count(3)
    expect(page.get_by_text("same batch, compared pixel by pixel")).to_be_visible()
    expect(page.get_by_role("button", name="Stop all")).to_have_count(0)
    newest = store.runs(limit=3)
    assert {run.status for run in newest} == {Status.FINISHED}
    assert tuple(run.spec for run in reversed(newest)) == trio(newest[0].spec)
