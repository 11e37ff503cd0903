"""The advisor in a real browser: from a result to advice, and from advice to a setup that can be started."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Browser, Page, expect
from seeded import seed_run
from served import Served, serving
from test_lab import photograph

from gia_core.attacks import InvertingGradients
from gia_core.models import LeNet
from gia_core.spec import AuditSpec
from gia_core.store import RunStore

HELPED = AuditSpec(model=LeNet(activation="relu"), attack=InvertingGradients())


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """With one run of the first question, and one of what the advisor recommends for it."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    seed_run(store)
    seed_run(store, HELPED, closeness=0.5)
    store.close()
    with serving(home) as served:
        yield served


@pytest.fixture
def run_id(server: Served) -> str:
    """Of the run of the first question."""
    store = RunStore(f"sqlite:///{server.home / 'gia.db'}", home=server.home)
    return next(run.id for run in store.runs() if run.spec == AuditSpec())


def test_a_result_leads_to_advice_and_advice_to_a_setup(run_id: str, new_page: Callable[..., Page]) -> None:
    page = new_page(f"/?run={run_id}")
    page.get_by_role("link", name="What would help?").click()
    expect(page.get_by_role("heading", name="Advisor")).to_be_visible(timeout=60_000)
    expect(page).to_have_url(re.compile(rf"/advisor\?run={run_id}"))
    finding = page.locator(".st-key-finding-N1-high")
    expect(finding.get_by_text(re.compile("high$")).first).to_be_visible()
    expect(finding.locator("img[alt^='Original']")).to_have_count(2)
    expect(finding.locator("img[alt^='Reconstruction']")).to_have_count(2)
    photograph(page, "advisor")

    finding.get_by_role("button", name="Try it").click()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled(timeout=60_000)
    expect(page).to_have_url(re.compile("model.activation=relu"))


def advisor(new_page: Callable[..., Page]) -> Page:
    """By way of the menu."""
    page = new_page()
    page.get_by_role("link", name="Advisor").click(timeout=60_000)
    expect(page.locator(".st-key-finding-N1-high")).to_be_visible(timeout=60_000)
    return page


def test_the_narrow_page_needs_no_scrolling_to_the_side(new_page: Callable[..., Page]) -> None:
    page = advisor(new_page)
    page.set_viewport_size({"width": 800, "height": 950})
    main = page.locator("[data-testid=stMain]")
    assert main.evaluate("main => main.scrollWidth - main.clientWidth") == 0


def test_everything_can_be_done_by_keyboard(new_page: Callable[..., Page]) -> None:
    page = advisor(new_page)
    expect(page.get_by_text("Dropout is no protection")).to_have_count(0)
    page.locator("summary", has_text="What a setup cannot tell").focus()
    page.keyboard.press("Enter")
    box = page.get_by_role("checkbox", name="Dropout is counted on")
    box.focus()
    page.keyboard.press("Space")
    expect(page.get_by_text("Dropout is no protection")).to_be_visible()


def test_a_term_is_explained_where_its_link_leads(new_page: Callable[..., Page], complaints: list[str]) -> None:
    page = advisor(new_page)
    with page.expect_popup() as opened:
        page.get_by_role("link", name="attackers who know the defense").click()
    glossary = opened.value
    expect(glossary.locator(".st-key-asked-term dt")).to_have_text("Adaptive attacker", timeout=60_000)
    expect(glossary.get_by_role("textbox", name="Search")).to_be_visible()
    photograph(glossary, "glossary")
    complaints[:] = [words for words in complaints if "404" not in words]  # Streamlit asks where it is served from
