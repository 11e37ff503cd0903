"""What a runner needs of Ray, as far as it needs no Ray; test_runner.py starts one."""

from __future__ import annotations

import os
from pathlib import Path
from types import SimpleNamespace

import pytest
import ray

from gia_core.cluster import CRASHED, OUT_OF_MEMORY, Cluster, EndedError, Folder, fitting, needs
from gia_core.settings import Settings

HOPELESS = "The disk that holds the store is full; free some space and try again."


@pytest.fixture(autouse=True)
def parent(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setattr(Folder, "PARENT", tmp_path)
    return tmp_path


def test_what_a_killed_owner_left_is_removed_by_the_next_one(parent: Path):
    left = Folder()
    (left.path / "log").write_text("the last words")
    os.close(left._lock)  # as the system does for a process that is killed
    following = Folder()
    assert list(parent.iterdir()) == [following.path]
    following.remove()
    assert list(parent.iterdir()) == []


def test_what_somebody_uses_is_left_alone(parent: Path):
    mine, other = Folder(), Folder()
    assert mine.path.exists()
    assert other.path.exists()
    mine.remove()
    other.remove()


def test_only_the_owner_may_look_into_a_folder():
    folder = Folder()
    assert folder.path.stat().st_mode & 0o077 == 0
    folder.remove()


def cluster(**answers: object) -> Cluster:
    """One whose Ray gives these answers."""
    made = object.__new__(Cluster)
    made._ray = SimpleNamespace(exceptions=ray.exceptions, **answers)
    return made


def raises(error: Exception):
    def get(_: object) -> None:
        raise error

    return get


@pytest.mark.parametrize(
    ("get", "told"),
    [
        (lambda _: None, None),
        (lambda _: HOPELESS, HOPELESS),
        (raises(ray.exceptions.OutOfMemoryError("killed at 10.0.0.7")), OUT_OF_MEMORY),
        (raises(ray.exceptions.WorkerCrashedError()), CRASHED),
        (raises(ray.exceptions.TaskCancelledError()), CRASHED),
    ],
)
def test_the_end_of_a_task_is_told_in_one_sentence(get: object, told: str | None):
    assert cluster(get=get).failure("task") == told


def test_the_end_of_ray_is_not_taken_for_that_of_a_worker():
    with pytest.raises(EndedError):
        cluster(get=raises(ray.exceptions.LocalRayletDiedError())).failure("task")


SETTINGS = Settings(home=Path(), store_url="", ray_address=None, cpus_per_run=3)


@pytest.mark.parametrize(
    ("machines", "taken"),
    [
        ([{"CPU": 8.0}], {"num_cpus": 3}),
        ([{"CPU": 8.0, "GPU": 1.0}], {"num_cpus": 1, "num_gpus": 1, "max_calls": 0}),
        ([{"CPU": 8.0, "GPU": 1.0}, {"CPU": 8.0}, {"GPU": 1.0}], {"num_cpus": 1, "num_gpus": 1, "max_calls": 0}),
        ([{"CPU": 8.0, "GPU": 8.0}], {"num_cpus": 1, "num_gpus": 1, "max_calls": 1}),
    ],
)
def test_a_run_takes_a_gpu_where_there_is_one_and_its_process_is_used_again_where_that_is_safe(
    machines: list[dict[str, float]], taken: dict[str, float]
):
    assert needs(SETTINGS, machines) == taken


@pytest.mark.parametrize(
    ("machines", "cores"), [([{"CPU": 8.0}], 3), ([{"CPU": 2.0}], 2), ([{}, {"CPU": 2.0}], 2), ([{"CPU": 0.5}], 1)]
)
def test_a_run_asks_for_no_more_cores_than_a_machine_has(machines: list[dict[str, float]], cores: int):
    assert fitting(SETTINGS, machines).cpus_per_run == cores


@pytest.mark.parametrize(("alive", "lives"), [([True], True), ([False, True], True), ([False], False), ([], False)])
def test_a_cluster_lives_while_one_of_its_machines_does(alive: list[bool], lives: bool):
    assert cluster(nodes=lambda: [{"Alive": each} for each in alive]).alive() is lives
