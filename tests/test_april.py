"""APRIL on small vision transformers."""

from __future__ import annotations

import copy
import math
from dataclasses import replace

import pytest
import torch
from torch import nn
from victims import bare_transformer, generator, observation, private_batch, small_network

from gia_core.attacks import APRIL
from gia_core.attacks.analytic.april_tokens import solved as system
from gia_core.clients import FedAvg, FedSGD
from gia_core.metrics import psnr
from gia_core.models import ViT
from gia_core.models.attention import VisionTransformer
from gia_core.models.layers import Normalize
from gia_core.spec import AuditSpec, unmet
from gia_core.types import UNKNOWN, Batch, Data, Step

EXACT = APRIL(rank_tolerance=1e-13)
PUBLISHED = APRIL(equations="attention", rank_tolerance=1e-13)
either_way = pytest.mark.parametrize("attack", [EXACT, PUBLISHED], ids=["embedding", "attention"])


def solved(model: nn.Module, batch: Batch, attack: APRIL = EXACT, **known: object) -> Step:
    return next(iter(attack.run(observation(model, batch, **known), generator())))


def standard_transformer(*, dim: int, patch: int, seed: int = 0) -> nn.Module:
    """The one with the bare first attention, without its first block."""
    model = bare_transformer(dim=dim, patch=patch, seed=seed)
    model.blocks = model.blocks[1:]
    return model


def decibels(step: Step, batch: Batch) -> float:
    return psnr(step.images, batch.images).item()


def in_double(model: nn.Module, batch: Batch) -> tuple[nn.Module, Batch]:
    return copy.deepcopy(model).double(), Batch(batch.images.double(), batch.labels)


@either_way
@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dim", "patch"), [(16, 2), (32, 2), (32, 4), (16, 4)])
def test_is_exact_where_dim_covers_the_patches_and_their_numbers(dim: int, patch: int, seed: int, attack: APRIL):
    """Acceptance identity 10; 8 × 8 pixels are 16 patches of 4 numbers, or 4 of 16."""
    model, batch = in_double(bare_transformer(dim=dim, patch=patch, seed=seed), private_batch(seed=seed))
    step = solved(model, batch, attack)
    assert decibels(step, batch) > 80
    assert torch.equal(step.labels, batch.labels)
    assert all(row[2] == row[3] for row in step.tables[0].rows)


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize(("dim", "patch"), [(32, 2), (16, 4)])
def test_the_embeddings_equations_hold_for_a_standard_transformer(dim: int, patch: int, seed: int):
    """LayerNorm in front of the attention and a path around it change the gradient of the positions, not its use."""
    model, batch = in_double(standard_transformer(dim=dim, patch=patch, seed=seed), private_batch(seed=seed))
    assert decibels(solved(model, batch), batch) > 80
    with pytest.raises(ValueError, match="equations to embedding"):
        solved(model, batch, PUBLISHED)


def test_a_standard_transformer_needs_one_dim_more_than_patches():
    """LayerNorm subtracts each token's mean, so no token's gradient says anything of it."""
    model, batch = in_double(standard_transformer(dim=16, patch=2), private_batch())
    assert solved(model, batch).tables[0].rows[0][2:4] == (16, 15)


def test_the_patch_embedding_tells_patches_of_any_size():
    """The published way inverts the embedding, so that patches of more numbers than dim are lossy; ours does not."""
    model, batch = in_double(bare_transformer(dim=8, patch=4), private_batch(seed=2))
    assert decibels(solved(model, batch), batch) > 80
    assert decibels(solved(model, batch, PUBLISHED), batch) < 60


@pytest.mark.parametrize(("dim", "patch", "deficient"), [(8, 4, 1), (8, 2, 0)])
def test_a_dim_that_is_too_small_is_told_and_costs_details(dim: int, patch: int, deficient: int):
    model, batch = in_double(bare_transformer(dim=dim, patch=patch), private_batch(seed=2))
    step = solved(model, batch, PUBLISHED)
    rows = step.tables[0].rows
    assert rows[deficient][2:4] == (16, 8)
    assert rows[deficient][4] is None
    assert rows[deficient][5] == "8 of 16 directions cannot be told"
    assert rows[1 - deficient][5] == "nothing"
    assert 5 < decibels(step, batch) < 60


def test_more_patches_than_dim_cost_details():
    model, batch = in_double(bare_transformer(dim=8, patch=2), private_batch(seed=2))
    step = solved(model, batch)
    assert [row[2:6] for row in step.tables[0].rows] == [(16, 8, None, "8 of 16 directions cannot be told")]
    assert 5 < decibels(step, batch) < 60


def test_what_the_update_does_not_tell_has_the_mean_color():
    """An image of one color is the shortest solution, so even a deficient system returns it exactly."""
    data = Data((1, 8, 8), (), None, None, (0.3,), (0.2,))
    batch = Batch(torch.full((1, 1, 8, 8), 0.3), torch.tensor([1]))
    model, batch = in_double(nn.Sequential(Normalize(data), bare_transformer(dim=8)), batch)
    assert decibels(solved(model, batch), batch) > 60


@pytest.mark.parametrize("seed", range(3))
@pytest.mark.parametrize("first_block", ["standard", "bare"])
def test_single_precision_is_enough_where_patches_differ(first_block: str, seed: int):
    data = Data((1, 8, 8), ("a", "b", "c", "d"), None, None, (0.5,), (0.25,))
    kind = ViT(patch=2, dim=32, depth=2, first_block=first_block, position_scale=1.0)
    batch = private_batch(seed=seed)
    step = solved(kind.build(data, generator(seed)), batch, APRIL())
    assert decibels(step, batch) > 60
    assert torch.equal(step.labels, batch.labels)


def test_directions_below_the_tolerance_are_left_out():
    """Two equations, one of them a million times weaker and wrong."""
    matrix = torch.diag(torch.tensor([1.0, 1e-6], dtype=torch.float64))
    right_side = torch.tensor([[2.0], [1.0]], dtype=torch.float64)
    kept, full = system("x", matrix, right_side, 1e-7)
    left_out, deficient = system("x", matrix, right_side, 1e-5)
    assert kept.flatten().tolist() == pytest.approx([2.0, 1e6])
    assert left_out.flatten().tolist() == pytest.approx([2.0, 0.0])
    assert (full.rank, full.condition) == (2, pytest.approx(1e6))
    assert (deficient.rank, deficient.condition) == (1, None)


@either_way
def test_a_scaled_gradient_gives_the_same_image(attack: APRIL):
    """Both sides of the equation hold the gradient once, so clipping changes nothing."""
    model, batch = in_double(bare_transformer(), private_batch())
    update = tuple(1e-3 * part for part in FedSGD()(model, batch))
    assert decibels(solved(model, batch, attack, update=update), batch) > 80


def test_a_known_label_is_kept():
    model, batch = in_double(bare_transformer(), private_batch())
    assert torch.equal(solved(model, batch, labels=True).labels, batch.labels)


def test_a_zero_gradient_is_told():
    model = bare_transformer()
    step = solved(model, private_batch(), update=tuple(torch.zeros_like(p) for p in model.parameters()))
    assert (step.images == 0.5).all()
    assert step.labels.tolist() == [UNKNOWN]
    assert step.tables[0].rows[0][3] == 0


@pytest.mark.parametrize("value", [math.nan, math.inf])
def test_an_update_that_is_not_finite_is_refused(value: float):
    model = bare_transformer()
    with pytest.raises(ValueError, match="not finite"):
        solved(model, private_batch(), update=tuple(torch.full_like(p, value) for p in model.parameters()))


def test_more_than_one_image_is_refused():
    with pytest.raises(ValueError, match="single image"):
        solved(bare_transformer(), private_batch(2))


def test_networks_without_such_an_attention_are_refused():
    with pytest.raises(ValueError, match="choose vit"):
        solved(small_network(), private_batch())
    without_blocks = bare_transformer()
    assert isinstance(without_blocks, VisionTransformer)
    without_blocks.blocks = nn.Sequential()
    with pytest.raises(ValueError, match="first block to bare"):
        solved(without_blocks, private_batch(), PUBLISHED)


def test_the_form_refuses_what_the_run_would():
    def fields(spec: AuditSpec) -> list[str]:
        return [objection.field for objection in unmet(APRIL.needs, spec)]

    spec = AuditSpec(attack=APRIL(equations="attention"), model=ViT(first_block="bare"))
    assert fields(spec) == []
    assert fields(spec.model_copy(update={"model": ViT()})) == ["model.first_block"]
    assert fields(spec.model_copy(update={"model": ViT(), "attack": APRIL()})) == []
    assert fields(spec.model_copy(update={"client": FedAvg(local_epochs=2)})) == ["client.local_epochs"]
    assert fields(spec.model_copy(update={"batch_size": 2})) == ["batch_size"]


def test_one_local_step_of_fedavg_is_one_gradient():
    model, batch = in_double(bare_transformer(), private_batch())
    rule = FedAvg(local_lr=0.1)
    seen = replace(observation(model, batch, rule=rule))
    assert decibels(next(iter(EXACT.run(seen, generator()))), batch) > 80
