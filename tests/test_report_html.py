"""The report as one HTML file: complete, escaped, and without a word that calls anything safe."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import re
import time
from collections.abc import Iterator, Sequence
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest
from PIL import Image
from seeded import seed_run

from gia_core.attacks import DLG, InvertingGradients
from gia_core.datasets import ImageFolder
from gia_core.defenses import Pruning
from gia_core.reports import numbers, page, pictures, subject, words
from gia_core.reports.choice import Pictures
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.utility import UtilitySpec

SPEC = AuditSpec(batch_size=6, attack=InvertingGradients(), knowledge=Knowledge(labels=True))
DEFENDED = SPEC.model_copy(update={"defenses": (Pruning(),)})
ATTACK = '"><script>alert(1)</script><img src=https://example.org/x onerror=alert(2)>'


class Read(HTMLParser):
    """What a browser finds in the file."""

    def __init__(self, text: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.texts: list[str] = []
        self.scripts: list[str] = []
        self.styles: list[str] = []
        self.inside = ""
        self.feed(text)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        self.inside = tag

    def handle_endtag(self, tag: str) -> None:
        self.inside = ""

    def handle_data(self, data: str) -> None:
        place = {"script": self.scripts, "style": self.styles}.get(self.inside, self.texts)
        place.append(data)

    @property
    def text(self) -> str:
        return " ".join(" ".join(self.texts).split())

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


@pytest.fixture
def store(home: Path) -> Iterator[RunStore]:
    """One kind of database is enough here."""
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


def report(store: RunStore, run_ids: Sequence[str], choice: Pictures = Pictures.SHOW) -> Read:
    return Read(page.write(subject.read(store, run_ids), choice))


def test_a_run_is_told_from_the_question_to_the_hashes(store: RunStore) -> None:
    run_id = seed_run(store, SPEC)
    found = report(store, [run_id])
    headings = ["Answer", "Grade", "Attacker knowledge", "Pictures", "Scores", "What was not tested", "Setting"]
    for said in (
        *headings,
        "How much of 6 private images does Inverting Gradients get back",
        "Recovered: ",
        "No published scale exists for this risk",
        "the label of every image",
        "the power to change the model that it sends",
        "may contain recovered personal data",
        "Other attacks: DLG",
        "every run used seed 0",
        "mean color",
        "Costs",
        "Provenance",
        "Terms used",
        "closer than every blind guess",
        run_id,
    ):
        assert said in found.text, said
    digests = re.findall(r"\b[0-9a-f]{64}\b", found.text)
    truth = store.truth(run_id)
    assert truth is not None
    assert hashlib.sha256(truth).hexdigest() in digests
    assert len(digests) == 4


def test_nothing_is_called_safe(store: RunStore) -> None:
    text = report(store, [seed_run(store, DEFENDED, closeness=0.1)]).text
    assert re.findall(r"[^.]*\bsafe\b[^.]*\.", text) == [" No report can call a system safe."]
    assert "Not recovered by this attack within this budget" in text
    assert "Preliminary: only attackers who did not know the defense were tried." in text


def test_the_file_refers_to_nothing_outside(store: RunStore) -> None:
    found = report(store, [seed_run(store, SPEC), seed_run(store, DEFENDED)])
    loads = [
        value
        for _, attributes in found.tags
        for name in ("src", "href", "srcset", "action", "data", "poster", "background")
        if (value := attributes.get(name)) is not None
    ]
    assert loads
    assert all(value.startswith("data:image/png;base64,") for value in loads)
    assert not [style for style in found.styles if re.search(r"url\(|@import|http", style)]
    assert not {"link", "iframe", "object", "embed", "base", "form"} & {tag for tag, _ in found.tags}
    policies = [a["content"] for a in found.all("meta") if a.get("http-equiv") == "Content-Security-Policy"]
    assert [p.split(";")[0] for p in policies if p] == ["default-src 'none'"]


def test_only_the_scripts_that_are_ours_may_run(store: RunStore) -> None:
    found = report(store, [seed_run(store, SPEC)])
    policy = next(a["content"] for a in found.all("meta") if a.get("http-equiv")) or ""
    kinds = [attributes.get("type") for attributes in found.all("script")]
    assert kinds == ["application/json", None, None]
    ours = [base64.b64encode(hashlib.sha256(script.encode()).digest()).decode() for script in found.scripts[1:]]
    assert re.findall(r"'sha256-([^']+)'", policy) == ours
    assert "unsafe-inline" not in policy.partition("script-src")[2]


def test_whatever_came_from_outside_is_escaped(store: RunStore) -> None:
    run_id = store.submit(SPEC)
    store.start(run_id, {"device": ATTACK, ATTACK: "x"})
    count = SPEC.batch_size
    scores = {"psnr": [20.0] * count, "ssim": [0.5] * count, "mse": [0.01] * count, "lpips": None}
    started = {
        "kind": "started",
        "label_names": [ATTACK] * count,
        "labels": [0] * count,
        "baselines": {"mean-color": scores},
        "capture": {"distance": 1.0, "passed": False, "message": ATTACK},
    }
    grid = Image.new("RGB", (24, 16))
    png = io.BytesIO()
    grid.save(png, "PNG")
    store.record(run_id, started, truth=png.getvalue())
    for iteration in (1, 2):
        body = {"kind": "progress", "iteration": iteration, "iterations": 2, "losses": {ATTACK: 1.0}, "scores": scores}
        store.record(run_id, body, frame=(iteration, png.getvalue()))
    store.finish(run_id, Status.FAILED, error=ATTACK)
    found = report(store, [run_id])
    assert len(found.scripts) == 3
    assert not [a for a in found.all("img") if not (a.get("src") or "").startswith("data:")]
    assert not [name for _, attributes in found.tags for name in attributes if name.startswith("on")]
    assert "<script>alert(1)</script>" in found.text, "as text, the label is shown as it is"
    assert "<" not in found.scripts[0]
    json.loads(found.scripts[0])


def test_every_picture_has_a_text_and_every_figure_a_table(store: RunStore) -> None:
    found = report(store, [seed_run(store, SPEC), seed_run(store, DEFENDED)])
    assert all(attributes.get("alt") for attributes in found.all("img"))
    figures = [attributes for attributes in found.all("div") if "data-figure" in attributes]
    assert len(figures) == len(json.loads(found.scripts[0])) == 3
    assert all(attributes.get("aria-label") for attributes in figures)
    assert found.text.count("The figure in numbers") == 3
    assert found.all("html") == [{"lang": "en"}]
    assert len(found.all("caption")) == len(found.all("table"))


def test_pictures_can_be_left_out(store: RunStore) -> None:
    found = report(store, [seed_run(store, SPEC)], Pictures.LEAVE_OUT)
    assert not found.all("img")
    assert "Pictures were left out" in found.text
    assert "data:image" not in page.write(subject.read(store, [seed_run(store, SPEC)]), Pictures.LEAVE_OUT).replace(
        found.scripts[1], ""
    )


def test_blurred_pictures_keep_sixteen_colors_and_no_outline(store: RunStore) -> None:
    found = report(store, [seed_run(store, SPEC)], Pictures.BLUR)
    sources = [attributes["src"] or "" for attributes in found.all("img")]
    for source in sources:
        with Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as image:
            assert image.size == (pictures.BLURRED, pictures.BLURRED)
    assert not [a for a in found.all("img") if (a["alt"] or "").startswith("Difference")]
    assert "blurred" in found.text


def test_a_picture_is_shown_pixel_by_pixel(store: RunStore) -> None:
    run_id = seed_run(store, AuditSpec())
    source = report(store, [run_id]).all("img")[0]["src"] or ""
    truth = store.truth(run_id)
    assert truth is not None
    with (
        Image.open(io.BytesIO(base64.b64decode(source.partition(",")[2]))) as shown,
        Image.open(io.BytesIO(truth)) as t,
    ):
        assert (np.asarray(shown) == np.asarray(t)).all()


def test_a_comparison_tells_what_differs_and_grades_each_system(store: RunStore) -> None:
    runs = [seed_run(store, SPEC), seed_run(store, DEFENDED, closeness=0.2)]
    runs.append(seed_run(store, DEFENDED.model_copy(update={"attack": DLG()}), closeness=0.2))
    found = report(store, runs)
    assert "How does what an attacker gets back depend on:" in found.text
    assert "In what the setups differ" in found.text
    assert "from 1 run ; Defense: none" in re.sub(r"\s*;", " ;", found.text)
    assert "from 2 runs" in found.text
    assert found.text.count("critical") >= 1
    assert "low, empirical only" in found.text


def test_runs_that_differ_in_chance_only_are_counted_together(store: RunStore) -> None:
    runs = [seed_run(store, SPEC.model_copy(update={"seed": seed})) for seed in range(2)]
    subjects = subject.read(store, [*runs, seed_run(store, DEFENDED, closeness=0.2)])
    table = numbers.pooled(subjects)
    assert table is not None
    assert [row[:3] for row in table.rows] == [("Defense: none", "2", "10 of 12"), ("Defense: Pruning", "1", "0 of 6")]
    assert "2 of 3 runs recovered at least one image" in words.answer(subjects)
    assert words.answer(subjects[2:]).startswith("Not recovered")
    assert numbers.pooled(subjects[1:]) is None


def test_runs_are_named_by_what_is_special_about_them(store: RunStore) -> None:
    found = words.names(subject.read(store, [seed_run(store, SPEC), seed_run(store, DEFENDED)]))
    assert found == ["1 · defense none", "2 · defense Pruning"]


def test_the_median_comes_with_an_interval_where_there_are_enough_images() -> None:
    assert numbers.middle([]) == "—"
    assert numbers.middle([12.0]) == "12.0 dB"
    assert numbers.middle([10.0, 14.0]) == "12.0 dB (range 10.0 to 14.0)"
    assert numbers.middle([1.0, 2.0, 3.0, 4.0, 5.0, 6.0]) == "3.5 dB (95 % interval 1.0 to 6.0)"


def test_24_runs_are_written_in_time_and_stay_small(store: RunStore) -> None:
    runs = [seed_run(store, DEFENDED.model_copy(update={"seed": seed})) for seed in range(24)]
    began = time.perf_counter()
    written = page.write(subject.read(store, runs))
    assert time.perf_counter() - began < 5
    assert len(written.encode()) < 15 * 2**20


def test_the_largest_pictures_fit_as_well() -> None:
    """Noise, which no PNG makes smaller, in as many pictures as any number of runs may show."""
    noise = np.random.default_rng(0).integers(0, 256, (512, 512, 3)).astype(np.uint8)
    one = len(pictures.uri(pictures.prepared(Image.fromarray(noise), pictures.EDGE_OF_MANY, Pictures.SHOW)))
    assert one * 4 * pictures.SHOWN_OF_MANY * subject.MOST_RUNS < 15 * 2**20
    for runs, edge in pictures.EDGES.items():
        one = len(pictures.uri(pictures.prepared(Image.fromarray(noise), edge, Pictures.SHOW)))
        assert one * 4 * pictures.SHOWN[runs] * runs < 10 * 2**20


@pytest.mark.parametrize("status", [Status.QUEUED, Status.RUNNING, Status.FAILED])
def test_a_run_without_a_result_is_told_too(store: RunStore, status: Status) -> None:
    run_id = seed_run(store, SPEC, status=status, error="It broke." if status is Status.FAILED else None)
    assert run_id in report(store, [run_id]).text


def test_a_run_of_another_kind_is_told_by_its_sentence(store: RunStore) -> None:
    run_id = store.submit(UtilitySpec())
    store.start(run_id, {"device": "cpu"})
    store.record(run_id, {"kind": "finished", "scores": {"sentence": "It costs three points."}, "seconds": 2.0})
    store.finish(run_id, Status.FINISHED)
    found = report(store, [run_id, seed_run(store, SPEC)])
    assert "It costs three points." in found.text


def test_no_folder_of_the_machine_is_told(store: RunStore, tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pets" / name / f"{number}.png")
    run_id = store.submit(AuditSpec(dataset=ImageFolder(root=str(tmp_path / "pets"))))
    written = page.write(subject.read(store, [run_id, store.submit(AuditSpec())]))
    assert "pets" in written
    assert "/pets" not in written


def test_too_many_runs_and_none_are_refused(store: RunStore) -> None:
    with pytest.raises(ValueError, match="choose fewer"):
        subject.read(store, [f"{number:016x}" for number in range(subject.MOST_RUNS + 1)])
    with pytest.raises(ValueError, match="one to"):
        subject.read(store, [])
    with pytest.raises(KeyError):
        subject.read(store, ["0" * 16])
