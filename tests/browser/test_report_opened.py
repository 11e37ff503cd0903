"""The report in a real browser: made by a click, opened from disk while every request is refused, and printed."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
from PIL import Image, ImageSequence
from playwright.sync_api import Browser, BrowserContext, Page, Route, expect
from seeded import seed_run
from served import Served, serving
from test_lab import photograph

from gia_core import report
from gia_core.attacks import InvertingGradients
from gia_core.defenses import Pruning
from gia_core.reports import page as report_page
from gia_core.reports import subject
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore

SPEC = AuditSpec(batch_size=4, attack=InvertingGradients(), knowledge=Knowledge(labels=True))


@pytest.fixture(scope="module")
def server(tmp_path_factory: pytest.TempPathFactory, browser: Browser) -> Iterator[Served]:
    home = tmp_path_factory.mktemp("home")
    store = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    seed_run(store, SPEC)
    seed_run(store, SPEC.model_copy(update={"defenses": (Pruning(),)}), closeness=0.2)
    store.close()
    with serving(home) as served:
        yield served


class Offline:
    """Opens a file while every request is refused, and keeps what the browser asked for and complained of."""

    def __init__(self, context: BrowserContext) -> None:
        self.requests: list[str] = []
        self.complaints: list[str] = []
        context.set_offline(True)
        context.route(re.compile(r"^(?!file:|data:)"), self.refuse)
        self.page = context.new_page()
        self.page.on("request", lambda request: self.requests.append(request.url))
        self.page.on("console", lambda message: self.complaints.append(message.text))
        self.page.on("pageerror", lambda error: self.complaints.append(str(error)))

    def refuse(self, route: Route) -> None:
        self.complaints.append(f"request to {route.request.url}")
        route.abort()

    def open(self, file: Path) -> Page:
        self.page.goto(file.as_uri())
        return self.page


@pytest.fixture
def offline(browser: Browser) -> Iterator[Callable[..., Offline]]:
    contexts = []

    def opened(**options: object) -> Offline:
        contexts.append(browser.new_context(**options))
        return Offline(contexts[-1])

    yield opened
    for context in contexts:
        context.close()


@pytest.fixture
def file(store: RunStore, tmp_path: Path) -> Path:
    """A comparison of both runs."""
    written = tmp_path / "report.html"
    runs = [run.id for run in store.runs(sort="oldest")[:2]]
    written.write_text(report_page.write(subject.read(store, runs)), encoding="utf-8")
    return written


@pytest.mark.parametrize("width", [1500, 420])
def test_the_file_opens_without_a_network(file: Path, offline: Callable[..., Offline], width: int) -> None:
    reader = offline(viewport={"width": width, "height": 900})
    page = reader.open(file)
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    expect(page.locator(".figure .main-svg .points path, .figure .main-svg .point").first).to_be_attached()
    images = page.locator("img")
    assert images.count() == 2 * 4 * 4
    assert all(images.evaluate_all("all => all.map(image => image.complete && image.naturalWidth > 0)"))
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    assert {url for url in reader.requests if not url.startswith("data:")} == {file.as_uri()}
    assert reader.complaints == []
    photograph(page, f"report-{width}")


def test_a_script_in_the_file_that_is_not_ours_does_not_run(file: Path, offline: Callable[..., Offline]) -> None:
    text = file.read_text(encoding="utf-8")
    file.write_text(text.replace("<main>", "<main><script>window.ran = true</script>"), encoding="utf-8")
    page = offline().open(file)
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    assert page.evaluate("window.ran") is None


def test_without_scripts_the_figures_stand_still(file: Path, offline: Callable[..., Offline]) -> None:
    page = offline(java_script_enabled=False, viewport={"width": 420, "height": 900}).open(file)
    still = page.get_by_role("img", name="Quality of the closest image along the run")
    expect(still).to_be_visible()
    expect(still.get_by_text("PSNR (dB)")).to_be_visible()
    expect(page.locator(".figure").first).to_be_hidden()
    page.get_by_text("The figure in numbers").first.click()
    expect(page.get_by_role("table", name="Every image: the reconstruction beside")).to_be_visible()
    assert page.locator("main").bounding_box()["width"] <= 420


def test_on_paper_the_figures_stand_still(file: Path, offline: Callable[..., Offline]) -> None:
    page = offline().open(file)
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    expect(page.locator(".static svg").first).to_be_hidden()
    page.emulate_media(media="print")
    expect(page.locator(".static svg").first).to_be_visible()
    expect(page.locator(".figure").first).to_be_hidden()


def test_it_prints_to_a_pdf_that_loses_nothing_at_the_side(
    file: Path, offline: Callable[..., Offline], tmp_path: Path
) -> None:
    page = offline(viewport={"width": 690, "height": 900}).open(file)
    expect(page.locator(".figure .main-svg").first).to_be_visible()
    page.emulate_media(media="print")
    assert page.evaluate("document.documentElement.scrollWidth - innerWidth") == 0
    assert page.pdf(path=tmp_path / "report.pdf", format="A4").startswith(b"%PDF")


def test_it_is_written_by_a_click_from_the_result(
    new_page: Callable[..., Page], store: RunStore, offline: Callable[..., Offline], tmp_path: Path
) -> None:
    run = store.runs(sort="oldest")[0]
    page = new_page(f"/?run={run.id}")
    page.get_by_role("link", name="Write a report").click(timeout=60_000)
    expect(page).to_have_url(re.compile(rf"/report\?report={run.id}$"))
    page.get_by_text("Leave out", exact=True).click()
    expect(page.get_by_text("The file will hold the private pictures")).to_have_count(0)
    photograph(page, "report-page")
    with page.expect_download() as download:
        page.get_by_role("button", name="Write the report").click()
    file = tmp_path / "report.html"
    download.value.save_as(file)
    read = offline().open(file)
    expect(read.get_by_text("Pictures were left out")).to_be_visible()
    assert read.locator("img").count() == 0


def test_its_pictures_are_drawn_by_a_click(new_page: Callable[..., Page], store: RunStore, tmp_path: Path) -> None:
    page = new_page(f"/?run={store.runs(sort='oldest')[0].id}")
    frames = {}
    for name in ("Animated picture", "Contact sheet"):
        with page.expect_download(timeout=60_000) as download:
            page.get_by_role("button", name=name).click(timeout=60_000)
        download.value.save_as(tmp_path / name)
        with Image.open(tmp_path / name, formats=["PNG"]) as picture:
            frames[name] = len(list(ImageSequence.Iterator(picture)))
    assert frames == {"Animated picture": 11, "Contact sheet": 1}  # ten moments, and one for those who cannot animate


def test_a_bundle_is_imported_by_a_click_or_refused(
    new_page: Callable[..., Page], store: RunStore, tmp_path: Path
) -> None:
    good, bad = tmp_path / "good.zip", tmp_path / "bad.zip"
    good.write_bytes(report.archive(store, store.runs(sort="oldest")[0].id))
    bad.write_bytes(b"no zip")
    before = store.count()
    page = new_page()
    page.get_by_role("link", name="Report", exact=True).click(timeout=60_000)
    page.get_by_text("Import a run of another installation").click(timeout=60_000)
    refused = page.get_by_text("no zip that can be read")
    for file, answer in ((bad, refused), (good, page.get_by_text("The run was imported."))):
        page.locator("input[type=file]").set_input_files(file)
        expect(page.get_by_text(file.name)).to_be_visible()
        expect(refused).to_have_count(0)  # from here on, Import means this file
        page.get_by_role("button", name="Import", exact=True).click()
        expect(answer).to_be_visible()
    assert store.count() == before + 1
    page.get_by_role("link", name="Open it").click()
    expect(page).to_have_url(re.compile(r"\?run=[0-9a-f]{16}"))
    expect(page.get_by_role("img", name="Reconstruction").first).to_be_visible()
