"""A run on its way from one store to another, and everything that a stranger may have put into the zip."""

from __future__ import annotations

import base64
import hashlib
import io
import json
import struct
import zipfile
import zlib
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from PIL import Image
from seeded import seed_run

from gia_core import bundle, report
from gia_core.aggregation import SecureAggregation
from gia_core.attacks import InvertingGradients, LinearLeak
from gia_core.bundle import BundleError
from gia_core.datasets import Digits
from gia_core.defenses import Pruning
from gia_core.models import MLP
from gia_core.reports import page, subject
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.utility import UtilitySpec
from gia_core.worker import carry_out
from ui.history import History

SPEC = AuditSpec(batch_size=3, defenses=(Pruning(),))
Files = dict[str, bytes]


@pytest.fixture
def store(home: Path) -> Iterator[RunStore]:
    """One kind of database is enough for what is read; what is written is tried on both."""
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


@pytest.fixture
def exported(store: RunStore) -> bytes:
    return report.archive(store, seed_run(store, SPEC))


def files_of(content: bytes) -> Files:
    with zipfile.ZipFile(io.BytesIO(content)) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def sealed(files: Files, **changes: Any) -> bytes:
    """The files with a manifest that fits to them, as somebody would make it who knows the format."""
    manifest = json.loads(files[report.MANIFEST]) | changes
    own = {name: content for name, content in files.items() if name != report.MANIFEST}
    manifest["files"] = {name: hashlib.sha256(content).hexdigest() for name, content in own.items()}
    return report.zipped({**own, report.MANIFEST: json.dumps(manifest).encode()})


def changed(content: bytes, name: str, change: Callable[[Any], None]) -> bytes:
    """With one of its JSON files edited, and all hashes put right."""
    files = files_of(content)
    value = json.loads(files[name])
    change(value)
    return sealed({**files, name: json.dumps(value).encode()})


def refused(content: bytes, store: RunStore) -> str:
    """The sentence; and nothing of the bundle is in the store."""
    before = store.count()
    with pytest.raises(BundleError) as caught:
        bundle.take_in(content, store)
    assert store.count() == before
    sentence = str(caught.value)
    assert sentence.endswith(".")
    assert "\n" not in sentence
    return sentence


def test_a_run_comes_out_of_another_store_as_it_went_in(open_store: Callable[[], RunStore], tmp_path: Path) -> None:
    here = open_store()
    run_id = seed_run(here, SPEC)
    file = tmp_path / "run.zip"
    file.write_bytes(report.archive(here, run_id))
    (tmp_path / "elsewhere").mkdir()
    there = RunStore(f"sqlite:///{tmp_path / 'elsewhere' / 'gia.db'}", home=tmp_path / "elsewhere")
    new_id = bundle.load(file, there)
    old, new = here.run(run_id), there.run(new_id)
    assert new_id != run_id
    assert (new.spec, new.status, new.scores) == (old.spec, Status.FINISHED, old.scores)
    assert [event.body for event in there.events(new_id)] == [event.body for event in here.events(run_id)]
    assert there.truth(new_id) == here.truth(run_id)
    assert there.frames(new_id) == here.frames(run_id)
    assert [there.frame(new_id, seq) for seq, _ in there.frames(new_id)] == [
        here.frame(run_id, seq) for seq, _ in here.frames(run_id)
    ]
    there.close()


REAL = [
    AuditSpec(dataset=Digits(size=16), model=MLP(), attack=InvertingGradients(iterations=5)),
    AuditSpec(dataset=Digits(size=16), model=MLP(), attack=LinearLeak(), knowledge=Knowledge(malicious_server=True)),
    AuditSpec(
        dataset=Digits(size=16), model=MLP(training=1), attack=InvertingGradients(iterations=2), defenses=(Pruning(),)
    ),
    AuditSpec(dataset=Digits(size=16), model=MLP(), clients=3, aggregation=SecureAggregation(), dropouts=2),
]
"""Searching, in one step with tables, on a trained model, and where there is nothing to invert."""


@pytest.mark.parametrize("spec", REAL, ids=["search", "closed form", "trained", "nothing to invert"])
def test_what_a_worker_really_writes_is_taken_and_reported(store: RunStore, home: Path, spec: AuditSpec) -> None:
    run_id = store.submit(spec)
    assert carry_out(store, run_id, device="cpu", home=home) is None
    new_id = bundle.take_in(report.archive(store, run_id), store)
    assert (store.run(new_id).scores, store.run(new_id).spec) == (store.run(run_id).scores, spec)
    written = page.write(subject.read(store, [run_id, new_id]))
    assert "What was not tested" in written
    assert "imported" in written.lower()


def test_the_same_store_takes_it_too_beside_its_own_run(open_store: Callable[[], RunStore]) -> None:
    store = open_store()
    content = report.archive(store, seed_run(store, SPEC))
    new_id = bundle.take_in(content, store)
    assert store.count(defense="pruning") == 2
    assert store.claim("runner") is None, "an imported run must never be carried out"
    assert store.run(new_id).status is Status.FINISHED


def test_an_imported_run_says_so(store: RunStore, exported: bytes) -> None:
    found = store.run(bundle.take_in(exported, store)).provenance
    assert found is not None
    assert found["device"] == "cpu"
    assert hashlib.sha256(exported).hexdigest() in found["imported"]


def test_an_imported_run_can_be_exported_and_imported_again(store: RunStore, exported: bytes) -> None:
    again = report.archive(store, bundle.take_in(exported, store))
    assert store.run(bundle.take_in(again, store)).scores == bundle.read(exported).left.events[-1].body["scores"]


def test_a_run_that_failed_keeps_its_sentence(store: RunStore) -> None:
    content = report.archive(store, seed_run(store, SPEC, status=Status.FAILED, error="The worker ended unexpectedly."))
    run = store.run(bundle.take_in(content, store))
    assert (run.status, run.error) == (Status.FAILED, "The worker ended unexpectedly.")


@pytest.mark.parametrize("content", [b"", b"no zip at all", b"PK\x03\x04" + b"\0" * 40])
def test_what_is_no_zip_is_refused(store: RunStore, content: bytes) -> None:
    assert "no zip" in refused(content, store)


def test_a_damaged_zip_is_refused(store: RunStore, exported: bytes) -> None:
    refused(exported[: len(exported) // 2], store)
    middle = len(exported) // 2
    refused(exported[:middle] + bytes(64) + exported[middle + 64 :], store)


@pytest.mark.parametrize(
    "name",
    [
        "../spec.json",
        "/etc/passwd",
        "frames/../../x.png",
        "frames\\1.png",
        "C:\\x.png",
        "frames/",
        "x.py",
    ],
)
def test_a_name_that_leads_anywhere_is_refused(store: RunStore, exported: bytes, name: str) -> None:
    assert "does not belong" in refused(sealed({**files_of(exported), name: b"x"}), store)


def test_two_files_of_one_name_are_refused(store: RunStore, exported: bytes) -> None:
    packed = io.BytesIO(exported)
    with zipfile.ZipFile(packed, "a") as archive, pytest.warns(UserWarning, match="Duplicate"):
        archive.writestr("spec.json", b"{}")
    assert "two files of one name" in refused(packed.getvalue(), store)


def test_too_many_files_are_refused(store: RunStore, exported: bytes) -> None:
    many = {f"frames/{n}.png": b"" for n in range(bundle.MOST_FILES + 1)}
    assert "more than" in refused(sealed({**files_of(exported), **many}), store)


def test_a_bomb_is_refused_before_it_goes_off(store: RunStore, exported: bytes) -> None:
    zeros = bytes(bundle.MOST_OF_ONE + 1)
    assert "unpacks to more" in refused(sealed({**files_of(exported), "scores.csv": zeros}), store)


def test_a_bomb_that_lies_about_its_size_is_refused(store: RunStore, exported: bytes) -> None:
    content = sealed({**files_of(exported), "scores.csv": bytes(1_000_000)})
    lying = content.replace(struct.pack("<I", 1_000_000), struct.pack("<I", 10))
    assert lying != content
    refused(lying, store)


def test_an_encrypted_zip_is_refused(store: RunStore, exported: bytes) -> None:
    content = bytearray(exported)
    place = content.find(b"PK\x01\x02")
    content[place + 8] |= 1
    assert "encrypted" in refused(bytes(content), store)


def test_a_file_that_was_changed_is_refused(store: RunStore, exported: bytes) -> None:
    files = files_of(exported)
    assert "SHA-256" in refused(report.zipped({**files, "README.txt": b"All is well."}), store)


def test_a_file_that_the_manifest_does_not_list_is_refused(store: RunStore, exported: bytes) -> None:
    files = files_of(exported)
    assert "exactly the files" in refused(report.zipped({**files, "frames/999.png": b"x"}), store)
    del files["scores.csv"]
    assert "exactly the files" in refused(report.zipped(files), store)


@pytest.mark.parametrize("missing", ["manifest.json", "spec.json", "events.json", "scores.json"])
def test_a_bundle_without_one_of_its_parts_is_refused(store: RunStore, exported: bytes, missing: str) -> None:
    files = files_of(exported)
    refused(
        report.zipped({n: c for n, c in files.items() if n != missing})
        if missing == report.MANIFEST
        else sealed({n: c for n, c in files.items() if n != missing}),
        store,
    )


def test_another_format_is_refused(store: RunStore, exported: bytes) -> None:
    assert "manifest.json" in refused(sealed(files_of(exported), format="gia-lab-bundle 2"), store)


@pytest.mark.parametrize("status", ["queued", "running", "safe"])
def test_a_run_that_is_not_over_is_refused(store: RunStore, exported: bytes, status: str) -> None:
    assert "manifest.json" in refused(sealed(files_of(exported), status=status), store)


@pytest.mark.parametrize("job", [{"kind": "rootkit"}, {"attack": {"name": "no-such"}}, [], {"batch_size": 10**9}])
def test_an_unknown_setup_is_refused(store: RunStore, exported: bytes, job: object) -> None:
    assert "cannot read" in refused(sealed({**files_of(exported), "spec.json": json.dumps(job).encode()}), store)


def test_a_run_of_another_kind_is_refused(store: RunStore, exported: bytes) -> None:
    job = UtilitySpec().model_dump_json().encode()
    assert "only audits" in refused(sealed({**files_of(exported), "spec.json": job}), store)


MARKUP = [
    "<script>alert(1)</script>",
    "<img src=x onerror=alert(1)>",
    "< /style>",
    "<!-- x",
    "[x](javascript:alert(1))",
    "![x](http://example.org/x.png)",
    "JavaScript:alert(1)",
    "bell \x07",
]


@pytest.mark.parametrize("text", MARKUP)
def test_a_label_with_markup_is_refused(store: RunStore, exported: bytes, text: str) -> None:
    def label(events: Any) -> None:
        events[0]["label_names"][0] = text

    assert "markup" in refused(changed(exported, "events.json", label), store)


@pytest.mark.parametrize("text", MARKUP[:2])
def test_markup_anywhere_else_is_refused_too(store: RunStore, exported: bytes, text: str) -> None:
    def name_of_a_loss(events: Any) -> None:
        events[1]["losses"] = {text: 1.0}

    def version(scores: Any) -> None:
        scores["provenance"]["device"] = text

    def unknown_field(events: Any) -> None:
        events[0]["more"] = [{"deep": text}]

    assert "markup" in refused(changed(exported, "events.json", name_of_a_loss), store)
    assert "markup" in refused(changed(exported, "events.json", unknown_field), store)
    assert "markup" in refused(changed(exported, "scores.json", version), store)
    assert "markup" in refused(sealed(files_of(exported), error=text), store)


def set_in_first(field: str, value: object) -> Callable[[Any], None]:
    return lambda events: events[0].__setitem__(field, value)


@pytest.mark.parametrize(
    "change",
    [
        set_in_first("kind", "command"),
        set_in_first("seq", "1"),
        set_in_first("at", -1),
        set_in_first("label_names", "cat"),
        set_in_first("baselines", {"gray": {"psnr": ["high"]}}),
        set_in_first("labels", [0] * 300),
        lambda events: events.reverse(),
        lambda events: events[1].pop("scores"),
        lambda events: events[1]["scores"].update(psnr=[1.0]),
        lambda events: events[1]["scores"].update(unheard_of=[1.0, 2.0, 3.0]),
        lambda events: events[1].update(tables=[{"title": "x"}]),
        lambda events: events.pop(0),
    ],
)
def test_events_that_no_run_tells_are_refused(store: RunStore, exported: bytes, change: Callable[[Any], None]) -> None:
    refused(changed(exported, "events.json", change), store)


def test_json_that_nests_too_deep_is_refused(store: RunStore, exported: bytes) -> None:
    refused(sealed({**files_of(exported), "events.json": b"[" * 100_000}), store)


def png(size: tuple[int, int], kind: str = "PNG", mode: str = "RGB") -> bytes:
    file = io.BytesIO()
    Image.new(mode, size).save(file, kind)
    return file.getvalue()


def picture_bomb() -> bytes:
    """A PNG that claims to have more pixels than there is memory."""
    small = png((1, 1))
    header = b"IHDR" + struct.pack(">II", 100_000, 100_000) + small[24:29]
    return small[:12] + header + struct.pack(">I", zlib.crc32(header)) + small[33:]


@pytest.mark.parametrize(
    "picture",
    [b"", b"\x89PNG\r\n", png((64, 64), "GIF"), png((62, 64)), png((8, 8)), picture_bomb(), png((64, 64), mode="RGBA")],
)
def test_a_picture_that_is_none_or_does_not_fit_is_refused(store: RunStore, exported: bytes, picture: bytes) -> None:
    refused(sealed({**files_of(exported), "truth.png": picture}), store)


def with_samples(exported: bytes, count: int, picture: bytes) -> bytes:
    drawn = {"count": count, "png": base64.b64encode(picture).decode()}
    return changed(exported, "events.json", lambda events: events[1].update(samples=drawn))


def test_samples_of_a_prior_are_taken(store: RunStore, exported: bytes) -> None:
    new_id = bundle.take_in(with_samples(exported, 3, png((64, 64))), store)
    told = History()
    told.add(store.events(new_id))
    assert [(drawn.count, drawn.sprite) for drawn in told.samples] == [(3, png((64, 64)))]


@pytest.mark.parametrize(
    ("count", "picture"),
    [(3, b"no picture"), (5, png((64, 64))), (0, png((64, 64))), (1, png((64, 64), "GIF")), (1, picture_bomb())],
)
def test_samples_that_are_none_or_do_not_fit_are_refused(
    store: RunStore, exported: bytes, count: int, picture: bytes
) -> None:
    refused(with_samples(exported, count, picture), store)


def test_frames_without_their_events_are_refused(store: RunStore, exported: bytes) -> None:
    files = files_of(exported)
    files["frames/900.png"] = files["truth.png"]
    frames = json.loads(files[report.MANIFEST])["frames"]
    assert "frames" in refused(sealed(files, frames=frames), store)
    assert "frames" in refused(sealed(files, frames=frames | {"900": 1}), store)


def test_a_file_that_is_too_large_is_not_even_read(store: RunStore, tmp_path: Path) -> None:
    file = tmp_path / "large.zip"
    with file.open("wb") as opened:
        opened.truncate(bundle.MOST_BYTES + 1)
    with pytest.raises(BundleError, match="was not opened"):
        bundle.load(file, store)
