"""Epsilon beside the noise in a real browser, where it is counted while the page stands already."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from urllib.parse import urlencode

import pytest
from playwright.sync_api import Browser, Locator, Page, expect
from served import Served, serving
from test_lab import photograph, press

from gia_core.defenses import DPSGD
from gia_core.models import ConvNet
from gia_core.spec import AuditSpec
from ui.address import to_query

COUNTED_WITHIN = 60_000
"""Milliseconds until Opacus is imported, on a busy machine."""
LONGER_THAN_SETTLED = 5_000


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("home")) as served:
        yield served


def number(page: Page, label: str) -> Locator:
    return page.get_by_role("spinbutton", name=label, exact=True)


def test_epsilon_arrives_follows_the_noise_and_leaves_the_form_alone(new_page: Callable[..., Page]) -> None:
    page = new_page("/?" + urlencode(to_query(AuditSpec(defenses=(DPSGD(),)))))
    page.get_by_text("Advanced", exact=True).click(timeout=60_000)
    metric = page.get_by_test_id("stMetric").filter(has_text="Epsilon, by PRV")
    expect(metric).to_contain_text("1.84", timeout=COUNTED_WITHIN)
    expect(page.get_by_text(re.compile("Epsilon 2.1 at delta 1e-5 by RDP, 1.84 by PRV"))).to_be_visible()

    number(page, "Noise multiplier").fill("2")
    number(page, "Noise multiplier").press("Enter")
    expect(metric).not_to_contain_text("1.84")
    expect(metric).to_contain_text(re.compile(r"0\.\d+"), timeout=COUNTED_WITHIN)
    expect(page.get_by_text(re.compile("takes a noise multiplier of 0.86"))).to_be_visible(timeout=COUNTED_WITHIN)
    press(page, "Set this noise")
    expect(number(page, "Noise multiplier")).to_have_value(re.compile(r"0\.86\d+"))
    photograph(page, "epsilon")

    page.wait_for_timeout(LONGER_THAN_SETTLED)  # until the page was drawn anew for the last time
    expect(number(page, "Iterations").first).to_have_value("300")
    expect(number(page, "Noise multiplier")).to_have_value(re.compile(r"0\.86\d+"))


def test_batch_norm_is_one_click_from_a_network_that_epsilon_allows(new_page: Callable[..., Page]) -> None:
    page = new_page("/?" + urlencode(to_query(AuditSpec(defenses=(DPSGD(),), model=ConvNet(width=8)))))
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_disabled(timeout=60_000)
    photograph(page, "refused")
    press(page, "Set the normalization to group")
    expect(page.get_by_text("GroupNorm takes the place of BatchNorm")).to_be_visible()
    expect(page.get_by_role("button", name="Start", exact=True)).to_be_enabled()
