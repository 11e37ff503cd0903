"""What a sweep asks for: every combination, the same images everywhere, and a reason where one is not possible."""

from __future__ import annotations

from pathlib import Path

import pytest
from pydantic import ValidationError

from gia_core.attacks import InvertingGradients
from gia_core.clients import FedAvg
from gia_core.datasets import Faces
from gia_core.defenses import Clipping, Pruning
from gia_core.spec import AuditSpec, Victim
from gia_core.sweep import Axis, SweepSpec, extended, key, plan, swept, varied


def test_every_combination_is_a_cell_with_its_images_and_seeds(home: Path):
    sweep = swept(AuditSpec(seed=7), {"batch_size": (1, 2), "attack": ("idlg", "dlg")}, images=4, seeds=3)
    planned = plan(sweep, home)
    assert [each.cell for each in planned] == [(1, "idlg"), (1, "dlg"), (2, "idlg"), (2, "dlg")]
    assert [len(each.specs) for each in planned] == [4 * 3, 4 * 3, 2 * 3, 2 * 3]
    assert all(spec.batch_size == cell.cell[0] for cell in planned for spec in cell.specs)
    assert all(spec.attack.name == cell.cell[1] for cell in planned for spec in cell.specs)
    assert {spec.seed for cell in planned for spec in cell.specs} == {7, 8, 9}


def test_all_cells_attack_the_same_images_each_equally_often(home: Path):
    planned = plan(swept(AuditSpec(), {"batch_size": (1, 2, 4)}, images=4, seeds=2), home)
    attacked = [sorted(index for spec in cell.specs for index in spec.victim.indices) for cell in planned]
    assert attacked[0] == attacked[1] == attacked[2]
    assert all(attacked[0].count(index) == 2 for index in set(attacked[0]))
    assert len(set(attacked[0])) == 4


def test_more_images_begin_with_the_fewer(home: Path):
    few, many = (plan(swept(AuditSpec(), {"batch_size": (2,)}, images=n, seeds=1), home)[0].specs for n in (4, 8))
    assert many[: len(few)] == few


def test_without_a_number_of_images_each_seed_draws_a_batch_as_the_setup_says(home: Path):
    setup = AuditSpec(victim=Victim(labels="different"))
    (cell,) = plan(swept(setup, {"batch_size": (3,)}, images=None, seeds=2), home)
    assert cell.specs == tuple(setup.model_copy(update={"batch_size": 3, "seed": seed}) for seed in (0, 1))


def test_a_combination_that_is_not_supported_has_a_reason_and_no_runs(home: Path):
    alone, together = plan(swept(AuditSpec(attack={"name": "r-gap"}), {"batch_size": (1, 2)}, images=2, seeds=1), home)
    assert alone.reason is None
    assert len(alone.specs) == 2
    assert together.reason == "r-gap works on one image at a time."
    assert together.specs == ()


@pytest.mark.parametrize(
    ("axes", "reason"),
    [
        ({"batch_size": (3,)}, "4 images cannot be cut into batches of 3."),
        ({"batch_size": (0,)}, "batch size 0 is not possible"),
        ({"model.training": (1.5,)}, "training 1.5 is not possible"),
        ({"model.depth": (1,)}, "lenet has no depth"),
        ({"server.lr": (1,)}, "A setup has no server"),
        ({"defenses.pruning.ratio": (0.5,)}, "There is no pruning here"),
        ({"attack": ("of-the-future",)}, "There is no of-the-future; choose one of"),
        ({"dataset.size": (33,)}, "size 33 is not possible"),
    ],
)
def test_what_cannot_be_is_told_in_the_cell(home: Path, axes: dict, reason: str):
    (cell,) = plan(swept(AuditSpec(), axes, images=4, seeds=1), home)
    assert cell.reason is not None
    assert cell.reason.startswith(reason)


def test_an_absent_data_set_is_the_reason_of_every_cell(home: Path):
    planned = plan(swept(AuditSpec(dataset={"name": "cifar10"}), {"batch_size": (1, 2)}, images=2, seeds=1), home)
    assert all("fetch cifar10" in (cell.reason or "") for cell in planned)


def test_more_images_than_there_are_is_told(home: Path):
    setup = AuditSpec(dataset=Faces())
    most = sum(setup.dataset.class_sizes(home))
    (cell,) = plan(swept(setup, {"batch_size": (1,)}, images=most + 1, seeds=1), home)
    assert cell.reason == f"faces has only {most} images to attack; take fewer images."


def test_a_method_that_the_setup_has_keeps_its_fields_and_another_comes_as_published():
    attack, pruning = InvertingGradients(iterations=11), Pruning(ratio=0.123)
    setup = AuditSpec(attack=attack, defenses=(pruning, Clipping()))
    assert varied(setup, "attack", "inverting-gradients").attack == attack
    assert varied(setup, "attack", "dlg").attack == AuditSpec(attack={"name": "dlg"}).attack
    assert varied(setup, "defenses", "pruning").defenses == (pruning,)
    assert varied(setup, "defenses", "none").defenses == ()
    assert varied(setup, "defenses.pruning.ratio", 0.5).defenses == (Pruning(ratio=0.5), Clipping())
    assert varied(setup, "model.activation", "relu").model.activation == "relu"
    assert varied(setup, "clients", 3).clients == 3


def test_local_steps_are_steps_of_fedavg_on_the_whole_batch():
    client = varied(AuditSpec(), "local_steps", 3).client
    assert isinstance(client, FedAvg)
    assert client.local_steps(batch_size=8) == 3
    slow = AuditSpec(client=FedAvg(local_lr=0.5, local_batch_size=2))
    assert varied(slow, "local_steps", 2).client == FedAvg(local_lr=0.5, local_epochs=2)


def test_the_strength_of_a_defense_follows_the_choice_of_it_whatever_axis_comes_first(home: Path):
    axes = {"defenses.pruning.ratio": (0.5,), "defenses": ("pruning", "none")}
    planned = plan(swept(AuditSpec(), axes, images=1, seeds=1), home)
    assert planned[0].specs[0].defenses == (Pruning(ratio=0.5),)
    assert planned[1].reason is not None


@pytest.mark.parametrize(
    ("axes", "settings", "reason"),
    [
        ({}, {}, "Choose what to vary"),
        ({"batch_size": ()}, {}, "Choose what to vary"),
        ({"batch_size": (2, 2)}, {}, "A value is given twice"),
        ({"batch_size": tuple(range(1, 14))}, {}, "An axis has at most 12 values"),
        ({"seed": (1, 2)}, {"seeds": 2}, "An axis varies the seed"),
        ({"batch_size": tuple(range(1, 13)), "clients": tuple(range(1, 13))}, {"seeds": 50}, "A sweep has at most"),
    ],
)
def test_what_is_no_sweep_is_refused_in_a_sentence(axes: dict, settings: dict, reason: str):
    with pytest.raises(ValueError, match=f"^{reason}"):
        swept(AuditSpec(), axes, **{"images": None, "seeds": 1} | settings)


def test_two_axes_cannot_vary_the_same():
    with pytest.raises(ValidationError, match="Both axes vary the same"):
        SweepSpec(setup=AuditSpec(), axes=(Axis(of="clients", values=(1,)), Axis(of="clients", values=(2,))))


def test_too_many_runs_are_refused_before_any_is_queued(home: Path):
    sweep = swept(AuditSpec(), {"batch_size": (1,), "clients": tuple(range(1, 13))}, images=100, seeds=1)
    with pytest.raises(ValueError, match=r"^These are 1,200 runs"):
        plan(sweep, home)


def test_a_sweep_survives_json():
    sweep = swept(AuditSpec(defenses=(Pruning(),)), {"defenses.pruning.ratio": (0.5, 1, "x")}, images=3, seeds=2)
    assert SweepSpec.model_validate_json(sweep.model_dump_json()) == sweep
    assert [type(value) for value in sweep.axes[0].values] == [float, int, str]


def test_an_extended_sweep_keeps_its_cells_and_their_runs(home: Path):
    sweep = swept(AuditSpec(), {"batch_size": (1, 2), "attack": ("idlg",)}, images=2, seeds=1)
    more = extended(sweep, [(2, 4), ("dlg",)], images=4, seeds=2)
    assert [axis.values for axis in more.axes] == [(1, 2, 4), ("idlg", "dlg")]
    before = {key(cell.cell): set(cell.specs) for cell in plan(sweep, home)}
    after = {key(cell.cell): set(cell.specs) for cell in plan(more, home)}
    assert all(specs < after[cell] for cell, specs in before.items())
