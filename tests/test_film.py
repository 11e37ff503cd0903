"""A run as an animated picture and as a contact sheet, read back by Pillow."""

from __future__ import annotations

import io
from collections.abc import Iterator, Sequence
from pathlib import Path

import numpy as np
import pytest
from PIL import Image, ImageSequence
from seeded import seed_run, sprite
from typer.testing import CliRunner

from gia_core.__main__ import app
from gia_core.reports import film, layout
from gia_core.reports.film import CELL, EDGE, GAP, HEAD, MARGIN, TEXT
from gia_core.spec import AuditSpec
from gia_core.store import RunStore, Status

RED, GREEN, BLUE, WHITE = (255, 0, 0), (0, 255, 0), (0, 0, 255), (255, 255, 255)
TOP = MARGIN + round(layout.HEIGHT * HEAD) + round(layout.HEIGHT * TEXT) + GAP
"""Where the pictures of an animation begin."""


@pytest.fixture
def store(home: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[RunStore]:
    """The one that the commands find."""
    monkeypatch.setenv("GIA_HOME", str(home))
    monkeypatch.delenv("GIA_STORE_URL", raising=False)
    opened = RunStore(f"sqlite:///{home / 'gia.db'}", home=home)
    yield opened
    opened.close()


def filmed(store: RunStore, truth: np.ndarray, frames: Sequence[np.ndarray]) -> str:
    """A run of these (B, H, W, 3) batches, one for each iteration, whose PSNR is ten times the iteration."""
    run_id, count = store.submit(AuditSpec(batch_size=len(truth))), len(truth)
    store.start(run_id, {})
    store.record(
        run_id, {"kind": "started", "labels": [0] * count, "label_names": ["cat"] * count}, truth=sprite(truth)
    )
    for iteration, images in enumerate(frames, 1):
        scores = {"psnr": [10.0 * iteration + i for i in range(count)]}
        told = {"kind": "progress", "iteration": iteration, "iterations": len(frames), "scores": scores}
        store.record(run_id, told, frame=(iteration, sprite(images)))
    store.finish(run_id, Status.FINISHED)
    return run_id


def plain(color: tuple[int, int, int], count: int = 1) -> np.ndarray:
    """Images of four pixels."""
    return np.full((count, 2, 2, 3), color, np.uint8)


def pictures(png: bytes) -> tuple[list[Image.Image], list[float | None]]:
    """Every frame, and how many milliseconds it stays."""
    with Image.open(io.BytesIO(png), formats=["PNG"]) as opened:
        found, stay = [], []
        for still in ImageSequence.Iterator(opened):
            found.append(still.convert("RGB"))
            stay.append(still.info.get("duration"))
        assert opened.info["loop"] == 0
        return found, stay


def test_it_shows_original_and_reconstruction_moment_by_moment(store: RunStore) -> None:
    run_id = filmed(store, plain(RED), [plain(GREEN), plain(BLUE), plain(RED)])
    found, stay = pictures(film.animated(film.shoot(store, run_id)))
    left, right = (MARGIN + 5, TOP + 5), (MARGIN + EDGE + GAP + 5, TOP + 5)
    assert [still.getpixel(left) for still in found] == [RED] * 4
    assert [still.getpixel(right) for still in found] == [RED, GREEN, BLUE, RED]  # the first is for still pictures
    assert stay[1:] == [500, 500, 3000]
    assert found[0].getpixel((MARGIN + EDGE + GAP // 2, TOP + 5)) == WHITE


def test_every_pixel_is_a_square(store: RunStore) -> None:
    image = np.array([[[RED, GREEN], [BLUE, WHITE]]], np.uint8)
    found, _ = pictures(film.animated(film.shoot(store, filmed(store, image, [image]))))
    half = EDGE // 2
    area = np.asarray(found[0])[TOP : TOP + EDGE, MARGIN : MARGIN + EDGE].reshape(2, half, 2, half, 3)
    assert (area == image[0][:, None, :, None]).all()


def test_what_the_words_say_changes_with_the_moment(store: RunStore) -> None:
    shot = film.shoot(store, filmed(store, plain(RED, 2), [plain(RED, 2)] * 2))
    assert [film.reached(moment) for moment in shot.moments] == [
        "iteration 1 · PSNR 10.0 to 11.0 dB",
        "iteration 2 · PSNR 20.0 to 21.0 dB",
    ]
    found, _ = pictures(film.animated(shot))
    pair = film.grid(shot.originals)
    changed = np.argwhere((np.asarray(found[1]) != np.asarray(found[2])).any(axis=2))
    assert len(changed) > 20  # some letters' worth, and all of them under the pictures
    assert changed[:, 0].min() > TOP + pair.height
    assert changed[:, 1].min() > MARGIN + pair.width + GAP


def test_a_long_run_is_thinned_and_keeps_its_ends(store: RunStore) -> None:
    shot = film.shoot(store, filmed(store, plain(RED), [plain(BLUE)] * 130))
    iterations = [moment.iteration for moment in shot.moments]
    assert len(set(iterations)) == film.MOST_MOMENTS
    assert (iterations[0], iterations[-1]) == (1, 130)
    assert iterations == sorted(iterations)


def test_a_sheet_has_a_row_for_each_image_the_closest_first(store: RunStore) -> None:
    truth = np.concatenate([plain(RED), plain(GREEN)])
    run_id = filmed(store, truth, [plain(BLUE, 2), truth])  # the second image has the higher PSNR
    with Image.open(io.BytesIO(film.contact_sheet(film.shoot(store, run_id)))) as opened:
        sheet = np.asarray(opened.convert("RGB"))
    columns = [MARGIN + film.LEGEND + GAP + i * (CELL + GAP) + CELL // 2 for i in range(3)]
    across = [[tuple(map(int, color)) for color in sheet[:, x]] for x in columns]
    assert [seen(column, GREEN) for column in across] == [CELL, 0, CELL]
    assert [seen(column, RED) for column in across] == [CELL, 0, CELL]
    assert [seen(column, BLUE) for column in across] == [0, 2 * CELL, 0]
    assert across[0].index(GREEN) < across[0].index(RED)


def seen(column: Sequence[tuple[int, ...]], color: tuple[int, int, int]) -> int:
    return sum(pixel == color for pixel in column)


def test_of_many_images_a_sheet_shows_some_and_says_so(store: RunStore) -> None:
    heights = []
    for count in (film.ROWS, film.ROWS + 1, 30):
        shot = film.shoot(store, filmed(store, plain(RED, count), [plain(RED, count)]))
        with Image.open(io.BytesIO(film.contact_sheet(shot))) as opened:
            heights.append(opened.height)
    assert len(set(heights)) == 1


def test_a_run_without_pictures_is_told_in_a_sentence(store: RunStore, tmp_path: Path) -> None:
    run_id, file = seed_run(store, status=Status.QUEUED), tmp_path / "moving.png"
    with pytest.raises(ValueError, match="has no pictures"):
        film.shoot(store, run_id)
    done = CliRunner().invoke(app, ["report", run_id, "--animation", str(file)])
    assert done.exit_code == 1
    assert done.output.count("\n") == 1
    assert not file.exists()


def test_both_are_written_from_the_command_line(store: RunStore, tmp_path: Path) -> None:
    run_id, moving, sheet = seed_run(store), tmp_path / "moving.png", tmp_path / "sheet.png"
    done = CliRunner().invoke(app, ["report", run_id, "--animation", str(moving), "--sheet", str(sheet)])
    assert done.exit_code == 0, done.output
    assert done.output.count("may contain recovered training data") == 2
    with Image.open(moving) as animation, Image.open(sheet) as still:
        assert len(list(ImageSequence.Iterator(animation))) == 1 + len(
            {iteration for _, iteration in store.frames(run_id)}
        )
        assert still.format == "PNG"
    assert not list(Path().glob(f"gia-run-{run_id}.zip"))


def test_a_picture_is_of_one_run(store: RunStore, tmp_path: Path) -> None:
    file = str(tmp_path / "x.png")
    assert CliRunner().invoke(app, ["report", seed_run(store), seed_run(store), "--sheet", file]).exit_code == 2
    assert CliRunner().invoke(app, ["report", "0" * 16, "--sheet", file]).exit_code == 2


def test_letters_that_the_font_lacks_are_spelled() -> None:
    assert layout.plain("Café — 2×2, ε “x” · 猫\n") == "Cafe - 2x2, epsilon “x” · ??"


def test_a_line_never_exceeds_its_width() -> None:
    name = "the very long name of a class " * 5
    short, long, longer = (layout.line(text, 20, 200) for text in ("cat", name, name * 2))
    assert short.size == long.size == longer.size
    assert long.tobytes() == longer.tobytes() != short.tobytes()
