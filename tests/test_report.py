"""What a run leaves behind: the JSON object, the table, the archive."""

from __future__ import annotations

import csv
import io
import json
import math
import zipfile
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from gia_core import report
from gia_core.datasets import ImageFolder
from gia_core.spec import AuditSpec
from gia_core.store import Event, Json, RunStore, Status

SCORES = {"psnr": [25.0, 12.0, 8.0], "ssim": [0.9, 0.2, 0.1], "mse": [0.003, 0.06, 0.15], "lpips": None}
BASELINES = {
    "gray": {"psnr": [10.0, 14.0, 9.0], "ssim": [0.1, 0.1, 0.1], "mse": [0.1, 0.04, 0.12], "lpips": None},
    "dataset-mean": {"psnr": [12.0, 11.0, 9.5], "ssim": [0.1, 0.1, 0.1], "mse": [0.06, 0.08, 0.11], "lpips": None},
}
STARTED = {
    "kind": "started",
    "label_names": ["cat", "=1+1", "dog"],
    "labels": [3, 5, 7],
    "image_shape": [3, 4, 4],
    "baselines": BASELINES,
}
FINISHED = {
    "kind": "finished",
    "status": "finished",
    "iteration": 40,
    "iterations": 40,
    "scores": SCORES | {"label_accuracy": 1.0},
    "baselines": BASELINES,
    "seconds": 2.5,
}


def sprite(colors: list[int]) -> bytes:
    """Four by four pixels of one gray per image, in two columns."""
    grid = np.zeros((8, 8, 3), np.uint8)
    for index, color in enumerate(colors):
        top, left = 4 * (index // 2), 4 * (index % 2)
        grid[top : top + 4, left : left + 4] = color
    file = io.BytesIO()
    Image.fromarray(grid).save(file, "PNG")
    return file.getvalue()


@pytest.fixture
def store(home: Path) -> Iterator[RunStore]:
    """One kind of database is enough here."""
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


@pytest.fixture
def run_id(store: RunStore) -> str:
    """A finished run of three images."""
    made = store.submit(AuditSpec())
    store.claim("runner")
    store.start(made, {"gia_core": "1"})
    store.record(made, STARTED, truth=sprite([10, 20, 30]))
    store.record(made, FINISHED, frame=(40, sprite([11, 21, 31])))
    store.finish(made, Status.FINISHED)
    return made


def unpacked(store: RunStore, run_id: str) -> dict[str, bytes]:
    with zipfile.ZipFile(io.BytesIO(report.archive(store, run_id))) as archive:
        return {name: archive.read(name) for name in archive.namelist()}


def test_the_summary_has_the_keys_of_run_json(store: RunStore, run_id: str) -> None:
    found = report.summary(store.run(run_id), store.events(run_id))
    assert list(found) == ["status", "scores", "baselines", "iterations", "seconds", "spec", "provenance"]
    assert found["status"] == "finished"
    assert found["scores"] == FINISHED["scores"]
    assert found["baselines"] == BASELINES
    assert (found["iterations"], found["seconds"]) == (40, 2.5)
    assert AuditSpec.model_validate(found["spec"]) == AuditSpec()
    assert found["provenance"] == {"gia_core": "1"}


def test_what_is_not_known_is_none(store: RunStore) -> None:
    queued = report.summary(store.run(store.submit(AuditSpec())))
    assert queued["status"] == "queued"
    assert [name for name, value in queued.items() if value is None] == [
        "scores",
        "baselines",
        "iterations",
        "seconds",
        "provenance",
    ]


def test_a_run_that_broke_off_has_the_scores_that_were_recorded_last(store: RunStore) -> None:
    made = store.submit(AuditSpec())
    store.claim("runner")
    store.start(made, {})
    for iteration, psnr in ((1, 9.0), (2, 11.0)):
        store.record(made, {"kind": "progress", "iteration": iteration, "scores": {"psnr": [psnr]}})
    store.finish(made, Status.FAILED, error="The worker process ended unexpectedly.")
    found = report.summary(store.run(made), store.events(made))
    assert (found["status"], found["iterations"], found["scores"]) == ("failed", 2, {"psnr": [11.0]})


def test_numbers_that_json_lacks_become_none() -> None:
    found = report.known({"psnr": [math.nan, math.inf, 3.0], "losses": {"total": -math.inf}, "of": (1, "x")})
    assert found == {"psnr": [None, None, 3.0], "losses": {"total": None}, "of": [1, "x"]}
    json.dumps(found, allow_nan=False)


def test_the_table_has_a_row_per_guess_and_image(store: RunStore, run_id: str) -> None:
    rows = list(csv.DictReader(io.StringIO(report.scores_csv(store.run(run_id), store.events(run_id)))))
    assert [row["guess"] for row in rows] == ["reconstruction"] * 3 + ["gray"] * 3 + ["dataset-mean"] * 3
    assert [row["image"] for row in rows] == ["0", "1", "2"] * 3
    assert [float(row["psnr"]) for row in rows[:3]] == SCORES["psnr"]
    assert {row["lpips"] for row in rows} == {""}


@pytest.mark.parametrize("text", ["=1+1", "+1", "-1", "@SUM(A1)", "\t=1", "\r=1"])
def test_no_cell_is_taken_for_a_formula(text: str) -> None:
    assert report.guarded(text) == f"'{text}"
    assert report.guarded("cat = dog") == "cat = dog"


def test_class_names_in_the_table_are_guarded(store: RunStore, run_id: str) -> None:
    rows = csv.DictReader(io.StringIO(report.scores_csv(store.run(run_id), store.events(run_id))))
    assert [row["label"] for row in rows][:3] == ["cat", "'=1+1", "dog"]


def test_the_table_of_a_run_without_scores_is_its_header(store: RunStore) -> None:
    assert report.scores_csv(store.run(store.submit(AuditSpec()))) == "guess,image,label,psnr,ssim,mse,lpips\n"


def test_the_archive_holds_everything(store: RunStore, run_id: str) -> None:
    files = unpacked(store, run_id)
    assert set(files) == {
        "README.txt",
        "spec.json",
        "scores.json",
        "scores.csv",
        "events.json",
        "manifest.json",
        "truth.png",
        "frames/2.png",
        *(f"{name}-{index}.png" for name in ("original", "reconstruction") for index in range(3)),
    }
    assert AuditSpec.model_validate_json(files["spec.json"]) == AuditSpec()
    assert json.loads(files["scores.json"])["scores"] == FINISHED["scores"]
    assert [event["kind"] for event in json.loads(files["events.json"])] == ["started", "finished"]


def test_the_archive_warns_of_what_it_holds_and_says_what_was_found(store: RunStore, run_id: str) -> None:
    readme = unpacked(store, run_id)["README.txt"].decode()
    assert "recovered training data" in readme
    assert "Recovered: 1 of 3 images" in readme
    assert run_id in readme


def test_the_pictures_are_cut_from_the_sprites_in_order(store: RunStore, run_id: str) -> None:
    files = unpacked(store, run_id)
    for name, first in (("original", 10), ("reconstruction", 11)):
        for index in range(3):
            with Image.open(io.BytesIO(files[f"{name}-{index}.png"])) as picture:
                assert picture.size == (4, 4)
                assert set(np.asarray(picture).ravel()) == {first + 10 * index}


def test_the_same_run_makes_the_same_archive(store: RunStore, run_id: str) -> None:
    assert report.archive(store, run_id) == report.archive(store, run_id)


def test_a_run_that_never_began_has_an_archive_without_pictures(store: RunStore) -> None:
    files = unpacked(store, store.submit(AuditSpec()))
    assert not [name for name in files if name.endswith(".png")]
    assert "Nothing was reconstructed." in files["README.txt"].decode()


def test_the_archive_tells_no_folder_of_the_machine(store: RunStore, tmp_path: Path) -> None:
    for number, name in enumerate(("cat", "dog")):
        (tmp_path / "pets" / name).mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(tmp_path / "pets" / name / f"{number}.png")
    files = unpacked(store, store.submit(AuditSpec(dataset=ImageFolder(root=str(tmp_path / "pets")))))
    assert not [name for name, content in files.items() if str(tmp_path).encode() in content]
    assert json.loads(files["spec.json"])["dataset"]["root"] == "pets"


def test_there_is_no_archive_of_a_run_that_is_not_there(store: RunStore) -> None:
    with pytest.raises(KeyError):
        report.archive(store, "0" * 16)


def judged(psnr: list[float | None], *guesses: list[float | None]) -> str:
    found: Json = {"scores": {"psnr": psnr}, "baselines": {str(i): {"psnr": g} for i, g in enumerate(guesses)}}
    return report.verdict(found)


def test_a_close_copy_is_called_recovered() -> None:
    assert judged([30.0], [12.0]) == ("Recovered: the image (30.0 dB PSNR, against 12.0 dB for the best blind guess).")


def test_an_image_that_a_blind_guess_matches_is_not_called_recovered() -> None:
    assert judged([22.0], [12.0], [23.0]).startswith("Not recovered by this attack within this budget")


def test_an_image_far_from_the_truth_is_not_called_recovered_though_no_guess_is_closer() -> None:
    assert judged([15.0], [9.0]).startswith("Not recovered by this attack within this budget")


def test_numbers_that_are_unknown_recover_nothing() -> None:
    assert judged([None, 30.0], [9.0, None]).startswith("Recovered: 1 of 2 images")
    assert judged([None], [None]).startswith("Not recovered")


def test_the_last_event_of_a_kind_counts() -> None:
    events = [Event(seq, 0.0, {"kind": kind, "n": seq}) for seq, kind in enumerate(("progress", "progress", "x"))]
    assert report.body(events, "progress")["n"] == 1
    assert report.body(events, "finished") == {}
