"""Every page of the menu, the states a page takes with runs in it, and the report, as axe-core judges them."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import NamedTuple

import pytest
from axe_playwright_python.base import AXE_SCRIPT
from playwright.sync_api import Browser, BrowserContext, Page, expect
from seeded import carry_out, seed_run
from served import ROOT, Served, serving

from gia_core.attacks import InvertingGradients
from gia_core.defenses import Pruning
from gia_core.reports import page as report_page
from gia_core.reports import subject
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore
from gia_core.sweep import key, plan, swept

MENU = {Path(script).stem: script for script in re.findall(r'st\.Page\("([^"]+)"', (ROOT / "app.py").read_text())}
"""Every page by its name, as the menu lists them: a page that is added there is looked at here."""
FIRST = "lab"
"""Its address is the root."""
GRAVE = ("moderate", "serious", "critical")
"""How axe-core calls the impact of what may not be."""
COLORS = "color-contrast"
"""The rule that has to be looked at in light and in dark."""


class Excuse(NamedTuple):
    """A fault of a widget of Streamlit's that we cannot reach."""

    rule: str
    selector: str
    """What the faulty element matches."""
    reason: str


STREAMLITS = (
    Excuse("list", "[data-testid=stSidebarNavItems]", "The sections of the menu lie between the list and its items."),
    Excuse("listitem", "[data-testid=stSidebarNavItems] *", "The same, seen from the items."),
)

LOOK = """async ([rules, grave, excuses]) => {
  const only = rules.length ? { runOnly: { type: "rule", values: rules } } : {};
  const { violations } = await axe.run(document, { resultTypes: ["violations"], elementRef: true, ...only });
  const excused = (rule, element) => excuses.some((one) => one.rule === rule && element.matches(one.selector));
  return violations.filter((fault) => grave.includes(fault.impact)).flatMap((fault) =>
    fault.nodes.filter((node) => !excused(fault.id, node.element)).map((node) =>
      [fault.impact, fault.id, node.html.slice(0, 200), node.failureSummary].join(" | ")));
}"""
FOLDED, UNFOLD = "details:not([open]) > summary", "all => all.forEach((one) => one.click())"
STILL = """
*, ::before, ::after { transition: none !important; animation: none !important; }
[data-stale=true] { opacity: 1 !important; }
"""
"""Nothing that is on its way to what it will look like: what is drawn anew is pale for a moment."""

SPEC = AuditSpec(batch_size=4, attack=InvertingGradients(), knowledge=Knowledge(labels=True))
DEFENDED = SPEC.model_copy(update={"defenses": (Pruning(),)})
SWEPT = swept(AuditSpec(), {"batch_size": (1, 2), "attack": ("idlg", "dlg")}, images=2, seeds=1)


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    """With two runs that can be compared and a sweep."""
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    seed_run(store, SPEC)
    seed_run(store, DEFENDED, closeness=0.2)
    sweep_id = store.sweeps.add(SWEPT)
    for number, planned in enumerate(plan(SWEPT, home)):
        for job in planned.specs:
            carry_out(store, store.sweeps.enter(sweep_id, key(planned.cell), job), job, closeness=1 - number / 5)
    store.close()
    with serving(home) as served:
        yield served


@pytest.fixture
def runs(store: RunStore) -> list[str]:
    """Without a defense, and with one."""
    return [run.id for run in store.runs(sort="oldest")[:2]]


def faults(page: Page, *rules: str) -> list[str]:
    """What axe-core finds wrong with the page as it is, one line for each element; ``rules``: only these."""
    page.evaluate(AXE_SCRIPT)
    found: list[str] = page.evaluate(LOOK, [list(rules), list(GRAVE), [one._asdict() for one in STREAMLITS]])
    return found


def settled(page: Page) -> None:
    """Once the script has drawn everything, with all that can be folded out folded out."""
    drawn = page.locator("[data-testid=stApp][data-test-script-state=notRunning]")
    expect(drawn).to_be_attached(timeout=60_000)
    expect(page.locator("[data-testid=stMain] :is(h1, h2, h3, p)").first).to_be_visible(timeout=60_000)
    expect(page.locator("[data-testid=stSkeleton], [data-stale=true]")).to_have_count(0, timeout=60_000)
    page.add_style_tag(content=STILL)
    page.locator(FOLDED).evaluate_all(UNFOLD)
    expect(page.locator(FOLDED)).to_have_count(0)


def told(page: Page) -> str:
    """What is wrong with the page, in light and in dark; empty where all is well."""
    settled(page)
    page.emulate_media(color_scheme="light")
    in_light = faults(page)
    page.emulate_media(color_scheme="dark")
    expect(page.locator("[data-testid=stApp]")).to_have_css("color-scheme", "dark")
    return "\n".join([*in_light, *(f"in dark: {fault}" for fault in faults(page, COLORS))])


@pytest.fixture(scope="module")
def visitor(browser: Browser) -> Iterator[BrowserContext]:
    """One for all tests, who loads what every page needs only once."""
    context = browser.new_context(viewport={"width": 1500, "height": 950})
    yield context
    context.close()


@pytest.fixture
def page(visitor: BrowserContext) -> Iterator[Page]:
    opened = visitor.new_page()
    yield opened
    opened.close()


@pytest.mark.parametrize("name", MENU)
def test_every_page_of_the_menu(name: str, page: Page, server: Served) -> None:
    page.goto(f"{server.url}/{'' if name == FIRST else name}")
    assert told(page) == ""


def test_a_finished_run(page: Page, server: Served, runs: list[str]) -> None:
    page.goto(f"{server.url}/?run={runs[1]}")
    expect(page.get_by_role("img", name="Reconstruction").first).to_be_visible(timeout=60_000)
    assert told(page) == ""


def test_two_runs_side_by_side(page: Page, server: Served, runs: list[str]) -> None:
    page.goto(f"{server.url}/?compare={','.join(runs[:2])}")
    expect(page.get_by_role("img", name="Reconstruction").first).to_be_visible(timeout=60_000)
    assert told(page) == ""


def test_a_sweep_that_is_over(page: Page, server: Served, store: RunStore) -> None:
    page.goto(f"{server.url}/?sweep={store.sweeps.newest()[0].id}")
    expect(page.locator(".js-plotly-plot").first).to_be_visible(timeout=60_000)
    assert told(page) == ""


def test_a_report(page: Page, store: RunStore, runs: list[str], tmp_path: Path) -> None:
    file = tmp_path / "report.html"
    file.write_text(report_page.write(subject.read(store, runs[:2])), encoding="utf-8")
    page.goto(file.as_uri())
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    page.locator(FOLDED).evaluate_all(UNFOLD)
    assert faults(page) == []
