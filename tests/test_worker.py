"""One run carried out and recorded, in this process, on every kind of store."""

from __future__ import annotations

import io
import json
import math
import shutil
import sqlite3
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

import numpy as np
import pytest
import torch
from PIL import Image
from runs import running
from sqlalchemy import Engine, event
from waiting import eventually

from gia_core import stories, worker
from gia_core.attacks import InvertingGradients
from gia_core.audit import Progress, audit
from gia_core.bodies import COMPRESSION, sprite
from gia_core.chronicle import Advanced, Began, Ended
from gia_core.datasets import Digits, ImageFolder
from gia_core.models import MLP
from gia_core.provenance import provenance
from gia_core.settings import Settings
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import Run, RunStore, Status, StoreError
from gia_core.worker import OUT_OF_MEMORY, Recorder, Stopwatch, Wishes, carry_out, rehearse, sentence, work

QUICK = AuditSpec(dataset=Digits(size=16), model=MLP(), attack=InvertingGradients(iterations=5))
ENDLESS = QUICK.model_copy(update={"attack": InvertingGradients(iterations=1_000_000)})

ENOUGH = 30.0
"""Seconds in which a busy machine does what an idle one does at once."""


def carried_out(store: RunStore, spec: AuditSpec, home: Path) -> Run:
    run_id = store.submit(spec)
    assert carry_out(store, run_id, device="cpu", home=home) is None
    return store.run(run_id)


@contextmanager
def under_way(store: RunStore, spec: AuditSpec, home: Path) -> Iterator[str]:
    """A run that a worker is busy with, in another thread; stopped when the block is over."""
    run_id = store.submit(spec)
    thread = threading.Thread(target=carry_out, args=(store, run_id), kwargs={"device": "cpu", "home": home})
    thread.start()
    try:
        yield run_id
    finally:
        with suppress(KeyError):
            store.stop(run_id)
        thread.join(ENOUGH)
        assert not thread.is_alive()


def bodies(store: RunStore, run_id: str, kind: str) -> list[dict]:
    return [event.body for event in store.events(run_id) if event.body["kind"] == kind]


def iteration(store: RunStore, run_id: str) -> int:
    return (store.run(run_id).progress or {"iteration": 0})["iteration"]


def has_status(store: RunStore, run_id: str, status: Status) -> Callable[[], bool]:
    return lambda: store.run(run_id).status is status


def pixels(png: bytes) -> np.ndarray:
    return np.asarray(Image.open(io.BytesIO(png)))


# What is recorded.


def test_a_run_is_recorded_from_its_first_picture_to_its_result(store: RunStore, home: Path):
    run = carried_out(store, QUICK.model_copy(update={"batch_size": 3, "knowledge": Knowledge(labels=True)}), home)
    started, *progress, finished = (event.body for event in store.events(run.id))
    assert (run.status, run.error) == (Status.FINISHED, None)
    assert (started["kind"], finished["kind"]) == ("started", "finished")
    assert {body["kind"] for body in progress} == {"progress"}
    assert (progress[0]["iteration"], progress[-1]["iteration"]) == (1, 5), "the first and the last in any case"
    assert [at for _, at in store.frames(run.id)] == [*(body["iteration"] for body in progress), 5]
    assert finished["scores"] == run.scores == progress[-1]["scores"]
    assert finished["baselines"] == started["baselines"]
    assert finished["seconds"] >= progress[-1]["elapsed"] > 0


def test_what_is_told_has_the_names_that_the_pages_read(store: RunStore, home: Path):
    run = carried_out(store, QUICK, home)
    [started], [finished] = bodies(store, run.id, "started"), bodies(store, run.id, "finished")
    progress = bodies(store, run.id, "progress")[-1]
    assert set(started) == {"kind", "label_names", "labels", "image_shape", "baselines", "capture", "exchange"}
    assert started["image_shape"] == [1, 16, 16]
    assert set(started["capture"]) == {"distance", "passed", "message"}
    fields = "kind iteration iterations losses best scores labels elapsed rate dropped weighted"
    assert list(progress) == fields.split()
    assert progress["losses"].keys() == progress["best"].keys() == {"total", "matching", "total variation"}
    assert set(progress["scores"]) == {"psnr", "ssim", "mse", "lpips", "label_accuracy"}
    fields = "kind status iteration iterations scores baselines diagnosis seconds tables labels"
    assert list(finished) == fields.split()
    assert (finished["status"], finished["iteration"], finished["labels"]) == ("finished", 5, started["labels"])


def test_the_recorded_truth_is_the_private_batch(store: RunStore, home: Path):
    spec = QUICK.model_copy(update={"batch_size": 2, "knowledge": Knowledge(labels=True)})
    truth = next(audit(spec, home=home)).truth.images
    recorded = pixels(store.truth(carried_out(store, spec, home).id))
    assert recorded.shape == (16, 32)
    assert np.array_equal(recorded[:, :16], truth[0, 0].mul(255).round().numpy())
    assert np.array_equal(recorded[:, 16:], truth[1, 0].mul(255).round().numpy())


def test_a_run_tells_what_it_was_carried_out_with_but_not_where(store: RunStore, home: Path):
    told = carried_out(store, QUICK, home).provenance
    assert set(told) == {
        *("gia_core", "commit", "python", "torch", "torchvision", "numpy", "device", "processor", "threads")
    }
    assert told["torch"].split("+")[0] == torch.__version__.split("+")[0]
    assert told["threads"] == torch.get_num_threads()
    assert str(Path.home()) not in json.dumps(provenance("cpu"))


def test_training_is_told_and_stopping_it_leaves_nothing_to_score(store: RunStore, home: Path):
    with under_way(store, ENDLESS.model_copy(update={"model": MLP(training=50)}), home) as run_id:
        [training, *_] = eventually(lambda: bodies(store, run_id, "training"), within=ENOUGH)
        assert list(training) == ["kind", "epoch", "epochs", "loss", "accuracy", "elapsed"]
        assert (training["epoch"], training["epochs"]) == (1, 50)
    assert (store.run(run_id).status, store.run(run_id).scores) == (Status.STOPPED, None)


def test_numbers_that_are_not_finite_become_unknown_ones(store: RunStore, home: Path):
    wild = InvertingGradients(lr=1e25, tv_weight=1e30, boxed=False)
    run = carried_out(store, QUICK.model_copy(update={"attack": wild}), home)
    last = bodies(store, run.id, "progress")[-1]
    assert (run.status, last["dropped"], last["losses"]["total"]) == (Status.FINISHED, 1, None)
    for told in store.events(run.id):
        json.dumps(told.body, allow_nan=False)
    assert math.isfinite(run.scores["psnr"][0]), "the best before it went wrong is kept"


# Sprites.


def test_a_run_of_another_kind_tells_what_it_likes(store: RunStore):
    run_id = running(store, QUICK)
    recorder = Recorder(store, run_id)
    picture = torch.rand(1, 1, 4, 4, generator=torch.Generator().manual_seed(0))
    for chapter in (
        Began({"arms": ("plain", "defended")}),
        Advanced(2, 5, {"accuracy": math.nan}, picture),
        Ended(stopped=True, body={"cost": 0.5}, images=picture),
    ):
        recorder.tell(chapter)
    began, advanced, ended = (event.body for event in store.events(run_id))
    assert (began["kind"], began["arms"]) == ("started", ["plain", "defended"])
    assert (advanced["iteration"], advanced["iterations"], advanced["accuracy"]) == (2, 5, None)
    assert (ended["kind"], ended["status"], ended["cost"]) == ("finished", "stopped", 0.5)
    assert store.run(run_id).progress == advanced
    assert [at for _, at in store.frames(run_id)] == [2, 2]


def test_a_sprite_is_a_grid_filled_row_by_row():
    shades = torch.tensor([0.2, 0.4, 0.6])
    grid = pixels(sprite(shades.view(3, 1, 1, 1).expand(3, 3, 4, 5)))
    assert grid.shape == (8, 10, 3)
    assert np.unique(grid[:4, :5]) == 51
    assert np.unique(grid[:4, 5:]) == 102
    assert np.unique(grid[4:, :5]) == 153
    assert np.unique(grid[4:, 5:]) == 0, "cells without an image are black"


@pytest.mark.parametrize(("count", "size"), [(1, (1, 1)), (2, (1, 2)), (5, (2, 3)), (9, (3, 3)), (10, (3, 4))])
def test_a_sprite_has_as_many_columns_as_the_root_of_the_batch(count: int, size: tuple[int, int]):
    assert pixels(sprite(torch.zeros(count, 1, 1, 1))).shape == size


@pytest.mark.parametrize(("channels", "mode"), [(1, "L"), (3, "RGB")])
def test_a_sprite_keeps_every_shade_of_every_channel(channels: int, mode: str):
    shades = torch.randint(256, (4, channels, 7, 5), generator=torch.Generator().manual_seed(0))
    png = sprite(shades / 255)
    assert Image.open(io.BytesIO(png)).mode == mode
    assert np.array_equal(pixels(png)[:7, :5].reshape(7, 5, channels), shades[0].permute(1, 2, 0).numpy())
    assert 0 < COMPRESSION < 9


def test_a_sprite_shows_what_is_no_number_as_black():
    assert pixels(sprite(torch.tensor([math.nan, math.inf, -math.inf, 2.0]).view(1, 1, 2, 2))).tolist() == [
        [0, 255],
        [0, 255],
    ]


# How often.


class Costly:
    """A store to which every event takes ``cost`` seconds of a clock that moves by nothing else but the iterations."""

    def __init__(self, cost: float) -> None:
        self.cost, self.now, self.recorded_at = cost, 0.0, []

    def record(self, *_: object, **__: object) -> bool:
        self.recorded_at.append(self.now)
        self.now += self.cost
        return True


@pytest.mark.parametrize("cost", [0.001, 0.05, 0.2])
def test_recording_takes_three_percent_of_the_time_at_most_and_two_events_a_second(cost: float, home: Path):
    progress = next(event for event in audit(QUICK, home=home) if isinstance(event, Progress))
    store = Costly(cost)
    recorder = Recorder(store, "", clock=lambda: store.now)
    while store.now < 100:
        recorder.tell(progress)
        store.now += 0.004
    between = np.diff(store.recorded_at)
    assert store.recorded_at[0] == 0, "the first one at once"
    assert between.min() >= 0.5
    assert between.max() < max(0.51, 41 * cost), "no more seldom than it has to be"
    assert (len(between) - 1) * cost / 100 < 0.03


def test_progress_comes_at_least_every_ten_seconds(home: Path):
    progress = next(event for event in audit(QUICK, home=home) if isinstance(event, Progress))
    store = Costly(2.0)
    recorder = Recorder(store, "", clock=lambda: store.now)
    while store.now < 60:
        recorder.tell(progress)
        store.now += 0.1
    assert np.diff(store.recorded_at).max() < 10.2


def test_a_stopwatch_leaves_out_what_it_was_held_for():
    now = 5.0
    watch = Stopwatch(lambda: now)
    now = 7.0
    with watch.held():
        now = 100.0
    now = 101.0
    assert watch.seconds() == 3.0


# What the user wants.


def test_a_stopped_run_ends_within_two_seconds_with_its_best_kept(store: RunStore, home: Path):
    with under_way(store, ENDLESS, home) as run_id:
        eventually(lambda: iteration(store, run_id) > 1, within=ENOUGH)
        store.stop(run_id)
        eventually(has_status(store, run_id, Status.STOPPED), within=2)
    [finished] = bodies(store, run_id, "finished")
    assert (finished["status"], finished["iterations"]) == ("stopped", 1_000_000)
    assert finished["scores"] == store.run(run_id).scores
    assert store.latest_frame(run_id).iteration == finished["iteration"]


def test_a_paused_run_takes_exactly_the_steps_it_is_granted(store: RunStore, home: Path):
    with under_way(store, ENDLESS, home) as run_id:
        eventually(lambda: iteration(store, run_id), within=ENOUGH)
        store.pause(run_id)
        eventually(has_status(store, run_id, Status.PAUSED), within=ENOUGH)
        paused_at = iteration(store, run_id)
        assert store.latest_frame(run_id).iteration == paused_at, "the picture is that of the pause"
        store.step(run_id)
        eventually(lambda: iteration(store, run_id) > paused_at, within=ENOUGH)
        store.step(run_id)
        store.step(run_id)
        eventually(lambda: iteration(store, run_id) > paused_at + 2, within=ENOUGH)
        eventually(lambda: store.run(run_id).steps_granted == 0, within=ENOUGH)
        assert [body["iteration"] for body in bodies(store, run_id, "progress")][-4:] == [
            paused_at + steps for steps in range(4)
        ], "each of them is recorded"
        assert store.run(run_id).status is Status.PAUSED
        store.resume(run_id)
        eventually(has_status(store, run_id, Status.RUNNING), within=ENOUGH)
        eventually(lambda: iteration(store, run_id) > paused_at + 3, within=ENOUGH)


def test_a_run_can_be_stopped_while_it_is_paused(store: RunStore, home: Path):
    with under_way(store, ENDLESS, home) as run_id:
        store.pause(run_id)
        eventually(has_status(store, run_id, Status.PAUSED), within=ENOUGH)
        store.stop(run_id)
        eventually(has_status(store, run_id, Status.STOPPED), within=2)
    assert len(bodies(store, run_id, "finished")) == 1


def test_a_run_that_was_stopped_before_it_began_does_nothing(store: RunStore, home: Path):
    run_id = store.submit(ENDLESS)
    store.claim("runner")
    store.stop(run_id)
    assert carry_out(store, run_id, device="cpu", home=home) is None
    assert store.run(run_id).status is Status.STOPPED
    assert store.events(run_id) == []


@pytest.mark.parametrize("status", [Status.FINISHED, Status.STOPPED, Status.FAILED])
def test_a_run_that_is_over_is_left_alone(store: RunStore, home: Path, status: Status):
    run_id = store.submit(ENDLESS)
    store.finish(run_id, status, error="as it was")
    assert carry_out(store, run_id, device="cpu", home=home) is None
    assert (store.run(run_id).status, store.run(run_id).error) == (status, "as it was")
    assert store.events(run_id) == []


def test_a_worker_leaves_a_run_that_was_given_up_or_deleted(store: RunStore, home: Path):
    with under_way(store, ENDLESS, home) as run_id:
        eventually(lambda: iteration(store, run_id), within=ENOUGH)
        store.finish(run_id, Status.FAILED, error="lost")
    assert (store.run(run_id).status, store.run(run_id).error) == (Status.FAILED, "lost")
    with under_way(store, ENDLESS, home) as run_id:
        eventually(lambda: iteration(store, run_id), within=ENOUGH)
        store.finish(run_id, Status.FAILED, error="lost")
        store.delete(run_id)


def test_a_worker_gives_signs_of_life_while_one_iteration_takes_long(store: RunStore):
    run_id = store.submit(ENDLESS)
    with Wishes(store, store.start(run_id, {})) as wishes:
        first = store.run(run_id).beat_at
        eventually(lambda: store.run(run_id).beat_at > first, within=ENOUGH)
        store.stop(run_id)
        eventually(wishes.to_stop, within=ENOUGH)


# Failures.


def fails_at(number: int, error: Exception):
    """An audit in which something breaks at event ``number``."""

    def broken(*arguments: object, **options: object):
        for at, told in enumerate(audit(*arguments, **options)):
            if at == number:
                raise error
            yield told

    return broken


def test_what_was_recorded_before_a_failure_stays(store: RunStore, home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(stories, "audit", fails_at(3, ValueError("The attack cannot go on; choose another one.")))
    run = carried_out(store, QUICK, home)
    assert (run.status, run.error) == (Status.FAILED, "The attack cannot go on; choose another one.")
    assert iteration(store, run.id) == 1
    assert len(store.frames(run.id)) == 1


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (ValueError("linear-leak needs a linear layer."), "linear-leak needs a linear layer."),
        (MemoryError(), OUT_OF_MEMORY),
        (torch.OutOfMemoryError("CUDA out of memory. Tried to allocate 2 GiB"), OUT_OF_MEMORY),
        (RuntimeError("DefaultCPUAllocator: can't allocate memory: you tried"), OUT_OF_MEMORY),
        (StoreError("The disk is full."), "The disk is full."),
    ],
    ids=lambda value: type(value).__name__,
)
def test_a_failure_is_told_in_one_sentence(error: Exception, told: str):
    assert sentence(error) == told


@pytest.mark.parametrize("error", [RuntimeError("/home/somebody/secret\n at line 5"), KeyError("secret")])
def test_an_unforeseen_failure_names_its_kind_and_nothing_of_the_machine(error: Exception):
    told = sentence(error)
    assert type(error).__name__ in told
    assert "secret" not in told
    assert "\n" not in told


def test_the_traceback_goes_to_the_log(
    store: RunStore, home: Path, monkeypatch: pytest.MonkeyPatch, caplog: pytest.LogCaptureFixture
):
    monkeypatch.setattr(stories, "audit", fails_at(0, RuntimeError("deep inside")))
    run = carried_out(store, QUICK, home)
    assert run.error == sentence(RuntimeError())
    assert "Traceback" in caplog.text
    assert "deep inside" in caplog.text


def test_more_memory_than_there_is_ends_in_a_sentence(store: RunStore, home: Path, monkeypatch: pytest.MonkeyPatch):
    def greedy(*_: object, **__: object):
        yield torch.empty(2**60)

    monkeypatch.setattr(stories, "audit", greedy)
    assert carried_out(store, QUICK, home).error == OUT_OF_MEMORY


def test_a_data_folder_that_vanished_since_is_named(store: RunStore, home: Path):
    for name in ("cats", "dogs"):
        folder = home / "data" / "pets" / name
        folder.mkdir(parents=True)
        Image.new("RGB", (8, 8)).save(folder / "1.png")
    run_id = store.submit(QUICK.model_copy(update={"dataset": ImageFolder(root="pets", size=8)}))
    shutil.rmtree(home / "data" / "pets")
    assert carry_out(store, run_id, device="cpu", home=home) is None
    run = store.run(run_id)
    assert run.status is Status.FAILED
    assert '"pets" was not found' in run.error
    assert str(home) not in run.error


# A store in trouble.


def limit_pages(url: str, pages: int) -> Callable[[], None]:
    """Let SQLite believe that the disk has room for so many pages; undone by what is returned."""

    def limit(connection: object, _: object) -> None:
        connection.execute(f"PRAGMA max_page_count={pages}")

    event.listen(Engine, "connect", limit)
    return lambda: event.remove(Engine, "connect", limit)


def test_a_full_disk_ends_the_run_with_what_to_do(home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setattr(worker, "PATIENCE", 0.5)
    monkeypatch.setattr(worker, "RECORD_EVERY", 0.0)
    monkeypatch.setattr(worker, "SHARE", 1.0)
    file = tmp_path / "gia.db"
    store = RunStore(f"sqlite:///{file}", home=home)
    run_id = store.submit(ENDLESS)
    store.close()
    with sqlite3.connect(file) as database:
        [[pages]] = database.execute("PRAGMA page_count")
    more_room = limit_pages(str(file), pages + 6)
    try:
        reason = carry_out(RunStore(f"sqlite:///{file}", home=home), run_id, device="cpu", home=home)
    finally:
        more_room()
    run = RunStore(f"sqlite:///{file}", home=home).run(run_id)
    assert (run.status, run.error, reason) in [
        (Status.FAILED, reason or run.error, None),
        (Status.RUNNING, None, reason),
    ], "told by the worker itself, or else by the runner"
    assert (reason or run.error) == "The disk that holds the store is full; free some space and try again."


def test_a_store_that_is_locked_for_a_while_costs_no_run(home: Path, tmp_path: Path, caplog: pytest.LogCaptureFixture):
    file = tmp_path / "gia.db"
    store = RunStore(f"sqlite:///{file}", home=home, busy_timeout=0.1)
    with under_way(store, ENDLESS, home) as run_id:
        eventually(lambda: iteration(store, run_id), within=ENOUGH)
        other = sqlite3.connect(file, isolation_level=None)
        other.execute("BEGIN IMMEDIATE")
        eventually(lambda: "held up by another program" in caplog.text, within=ENOUGH)
        before = iteration(store, run_id)
        other.execute("ROLLBACK")
        other.close()
        eventually(lambda: iteration(store, run_id) > before, within=ENOUGH)
        assert store.run(run_id).status is Status.RUNNING


def test_a_store_that_cannot_be_opened_is_for_the_runner_to_tell(
    home: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
):
    monkeypatch.setattr(worker, "PATIENCE", 0.0)
    (tmp_path / "gia.db").write_bytes(b"no database " * 100)
    settings = Settings(home=home, store_url=f"sqlite:///{tmp_path / 'gia.db'}", ray_address=None, cpus_per_run=1)
    assert "damaged" in work(settings, "0" * 16, device="cpu")


# The process around it.


def test_a_run_takes_as_many_cores_as_it_was_given(home: Path, tmp_path: Path):
    before = torch.get_num_threads()
    settings = Settings(home=home, store_url=f"sqlite:///{tmp_path / 'gia.db'}", ray_address=None, cpus_per_run=1)
    store = RunStore(settings.store_url, home=home)
    run_id = store.submit(QUICK)
    try:
        assert work(settings, run_id, device="cpu") is None
    finally:
        torch.set_num_threads(before)
    assert store.run(run_id).status is Status.FINISHED
    assert store.run(run_id).provenance["threads"] == 1


def test_a_rehearsal_leaves_no_trace(home: Path, tmp_path: Path):
    rehearse(Settings(home=home, store_url="", ray_address=None, cpus_per_run=1), device="cpu")
    assert list(home.iterdir()) == []
