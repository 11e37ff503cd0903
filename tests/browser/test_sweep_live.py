"""A sweep in a real browser: queued, filled by the workers while one looks on, and opened by a click."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from contextlib import suppress

import pytest
from playwright.sync_api import Browser, Page, expect
from seeded import carry_out
from served import Served, serving
from test_lab import photograph

from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status
from gia_core.sweep import key, plan, swept

TWO_AXES = swept(AuditSpec(), {"batch_size": (1, 2), "attack": ("idlg", "dlg", "r-gap")}, images=2, seeds=1)
SHORT = "/?dataset=digits&dataset.size=16&model=mlp&batch_size=1&attack=linear-leak"
ALL_OVER = 240_000
"""Milliseconds until Ray has started and two short runs are over on a busy machine."""
PLACE_OF_CELL = """([x, y]) => {
  const plot = document.querySelector('.js-plotly-plot'), box = plot.getBoundingClientRect()
  const {xaxis, yaxis} = plot._fullLayout
  return [box.x + xaxis._offset + xaxis.c2p(x), box.y + yaxis._offset + yaxis.c2p(y)]
}"""


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """With a sweep of two axes that is over, but for a cell that failed and two that are not applicable."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    sweep_id = store.sweeps.add(TWO_AXES)
    for number, planned in enumerate(plan(TWO_AXES, home)):
        for job in planned.specs:
            run_id = store.sweeps.enter(sweep_id, key(planned.cell), job)
            failed = number == 4
            status, error = (Status.FAILED, "The attack diverged.") if failed else (Status.FINISHED, None)
            carry_out(store, run_id, job, status=status, closeness=1 - number / 5, error=error)
    store.close()
    with serving(home) as served:
        yield served


@pytest.fixture
def link(store: RunStore) -> str:
    return f"/?sweep={store.sweeps.newest()[-1].id}"


def test_a_click_on_a_cell_opens_its_runs(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    chart = page.locator(".js-plotly-plot .main-svg").first
    expect(chart).to_be_visible(timeout=60_000)
    runs = page.locator(".st-key-sweep-runs")
    expect(runs.get_by_text("seed 0 · image", exact=False)).to_have_count(2)
    photograph(page, "sweep")
    page.mouse.click(*page.evaluate(PLACE_OF_CELL, [1, 1]))
    expect(runs.get_by_text("The attack diverged.")).to_be_visible()
    expect(runs.get_by_role("button", name="Retry")).to_be_visible()
    diverged = runs.get_by_text("The attack diverged.")
    for _ in range(5):  # a chart that is being drawn anew takes no click
        page.mouse.click(*page.evaluate(PLACE_OF_CELL, [0, 0]))
        with suppress(AssertionError):
            expect(diverged).to_have_count(0, timeout=5_000)
            break
    expect(diverged).to_have_count(0)
    runs.get_by_role("link", name="finished").first.click()
    expect(page).to_have_url(re.compile(r"run=[0-9a-f]{16}"))


def test_the_narrow_page_needs_no_scrolling_to_the_side(link: str, new_page: Callable[..., Page]) -> None:
    page = new_page(link)
    page.set_viewport_size({"width": 800, "height": 950})
    expect(page.locator(".js-plotly-plot .main-svg").first).to_be_visible(timeout=60_000)
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth - main.clientWidth") == 0


def test_a_sweep_from_the_lab_fills_while_one_looks_on(new_page: Callable[..., Page], store: RunStore) -> None:
    page = new_page(SHORT)
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled(timeout=60_000)
    page.get_by_role("link", name="Sweep").click()
    sizes = page.get_by_role("textbox", name="Values of batch size")
    expect(sizes).to_be_visible(timeout=60_000)
    sizes.fill("1, 2")
    sizes.press("Enter")
    page.get_by_role("button", name="Start 3 runs").click()
    expect(page).to_have_url(re.compile(r"/sweep\?sweep=[0-9a-f]{16}$"), timeout=20_000)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_be_visible()
    expect(page.get_by_text("3 of 3 runs done")).to_be_visible(timeout=ALL_OVER)
    expect(page.get_by_role("button", name="Stop", exact=True)).to_have_count(0)
    photograph(page, "sweep-filled")
    assert {run.status for run in store.runs(limit=3)} == {Status.FINISHED}
