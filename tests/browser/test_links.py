"""A link leads where it says, even as the first thing that a server is asked for."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import pytest
from playwright.sync_api import Page, expect
from served import Served, serving


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Served]:
    with serving(tmp_path_factory.mktemp("links")) as served:
        yield served


def test_the_first_visitor_of_a_page_is_not_told_that_there_is_none(
    new_page: Callable[..., Page], complaints: list[str]
) -> None:
    page = new_page("/runs")
    expect(page.get_by_text("No runs yet")).to_be_visible(timeout=60_000)
    expect(page.get_by_text("Page not found")).to_have_count(0)
    # Below the root, Streamlit's page tries out under which address its server answers.
    complaints[:] = [complaint for complaint in complaints if "404" not in complaint]
