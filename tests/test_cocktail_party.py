"""Source separation against mixtures whose sources are known, and Cocktail Party on small networks."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from torch import nn
from victims import batch_norm_network, generator, observation, private_batch, small_network

from gia_core.attacks import CocktailParty
from gia_core.attacks.analytic.embeddings import Embedding, invert
from gia_core.attacks.analytic.first_layer import first_layer
from gia_core.attacks.analytic.mixtures import Mixed, capacity
from gia_core.attacks.analytic.source_separation import (
    centered,
    correlation,
    fast_ica,
    largest_fit,
    negentropy,
    neighbor_differences,
    one_signed,
    scaled_by_sums,
    whitening,
)
from gia_core.clients import FedAvg
from gia_core.datasets import Digits
from gia_core.metrics import pairing, psnr
from gia_core.models import CNN6, MLP, LeNet, Model, ViT
from gia_core.spec import AuditSpec, unmet
from gia_core.types import UNKNOWN, Batch, Data


def sparse_sources(count: int, length: int = 4000, seed: int = 0) -> torch.Tensor:
    """Independent, mostly near zero: cubes of normal numbers."""
    return torch.randn(count, length, generator=generator(seed), dtype=torch.float64) ** 3


def best_cosines(found: torch.Tensor, sources: torch.Tensor) -> torch.Tensor:
    """For each source the largest |cosine| with a row that was found."""
    cosines = nn.functional.normalize(sources, dim=1) @ nn.functional.normalize(found, dim=1).T
    return cosines.abs().amax(dim=1)


def blocks(count: int, seed: int = 0) -> Batch:
    """Pictures of 1 × 8 × 8 pixels with edges: a rectangle on a plain ground."""
    rng = generator(seed)
    images = torch.rand(count, 1, 1, 1, generator=rng).expand(-1, -1, 8, 8).clone()
    for image in images:
        top, left = torch.randint(0, 6, (2,), generator=rng).tolist()
        height, width = torch.randint(2, 6, (2,), generator=rng).tolist()
        image[:, top : top + height, left : left + width] = torch.rand(1, generator=rng)
    return Batch(images, torch.randint(4, (count,), generator=rng))


def last_step(attack, seen, seed: int = 0):
    *_, last = attack.run(seen, generator(seed))
    return last


@pytest.mark.parametrize("seed", range(3))
def test_fast_ica_finds_four_sparse_sources(seed: int) -> None:
    """Acceptance identity 11."""
    sources = sparse_sources(4, seed=seed)
    mixtures = torch.randn(20, 4, generator=generator(seed + 9), dtype=torch.float64) @ sources
    whitener, _ = whitening(centered(mixtures), 4)
    found = fast_ica(whitener @ centered(mixtures)) @ whitener @ mixtures
    assert best_cosines(found, centered(sources)).min() > 0.99


def test_whitened_rows_are_uncorrelated_and_no_more_than_there_are_sources() -> None:
    mixtures = torch.randn(20, 3, generator=generator(1), dtype=torch.float64) @ sparse_sources(3)
    features = centered(mixtures)
    whitener, spread = whitening(features, 8)
    assert len(whitener) == 3
    assert spread >= 1
    white = whitener @ features
    assert torch.allclose(white @ white.T / white.shape[1], torch.eye(3, dtype=torch.float64), atol=1e-9)


@pytest.mark.parametrize(
    "features", [torch.zeros(5, 9), torch.full((5, 9), float("nan"))], ids=["zero", "not a number"]
)
def test_nothing_is_found_in_features_without_content(features: torch.Tensor) -> None:
    assert len(whitening(features.double(), 4)[0]) == 0


def test_tiny_mixtures_are_separated_like_large_ones() -> None:
    mixtures = torch.randn(6, 2, generator=generator(1), dtype=torch.float64) @ sparse_sources(2)
    whitener, _ = whitening(mixtures, 2)
    tiny, _ = whitening(1e-200 * mixtures, 2)
    assert torch.allclose((tiny @ (1e-200 * mixtures)).abs(), (whitener @ mixtures).abs(), rtol=1e-6)


def test_differences_of_neighbors_are_taken_inside_the_image_only() -> None:
    row = torch.tensor([[1.0, 2.0, 4.0, 8.0]])
    assert neighbor_differences(row, (1, 2, 2)).tolist() == [[1.0, 4.0, 3.0, 6.0]]


def test_negentropy_is_small_for_normal_numbers_and_large_for_sparse_ones() -> None:
    normal = torch.randn(1, 100_000, generator=generator())
    sparse = sparse_sources(1, 100_000)
    assert negentropy(normal) < 1e-5
    assert negentropy(sparse / sparse.std()) > 1e-2


def test_log_cosh_of_large_numbers_stays_finite() -> None:
    assert torch.isfinite(negentropy(torch.tensor([[1e6, -1e6]])))


def test_correlation_is_that_of_the_rows() -> None:
    rows = torch.tensor([[1.0, 0.0], [0.6, 0.8]])
    assert correlation(rows, 2.0).item() == pytest.approx(torch.expm1(torch.tensor(1.2)).item())
    assert correlation(torch.eye(3), 12.4).item() == 0
    assert correlation(torch.eye(1), 12.4).item() == 0


def test_one_signed_rows_have_no_penalty() -> None:
    assert one_signed(torch.tensor([[1.0, 2.0], [-3.0, -1.0]])).item() == pytest.approx(0, abs=1e-5)
    assert one_signed(torch.tensor([[3.0, -4.0, 0.0]])).item() == pytest.approx((9 / 3) ** 0.5)


def test_sums_of_weights_give_back_sign_and_scale() -> None:
    sources = sparse_sources(3, 10)
    factors = torch.tensor([-2.0, 0.1, 30.0], dtype=torch.float64)
    assert torch.allclose(scaled_by_sums(factors[:, None] * sources, factors), sources)
    assert torch.isfinite(scaled_by_sums(sources, torch.zeros(3, dtype=torch.float64))).all()


def test_the_largest_fit_touches_the_bounds() -> None:
    low, high = torch.tensor([-1.0, -1.0]), torch.tensor([2.0, 2.0])
    assert largest_fit(torch.tensor([[1.0, -0.1], [1.0, -2.0]]), low, high, 0.0).tolist() == [2.0, 0.5]


@pytest.mark.parametrize("separated_by", ["differences", "pixels"])
def test_any_mixture_of_one_image_is_that_image(separated_by) -> None:
    batch = private_batch()
    last = last_step(CocktailParty(iterations=1, separated_by=separated_by), observation(small_network(), batch))
    assert psnr(last.images, batch.images).item() > 80


def test_a_batch_of_pictures_with_edges_is_separated() -> None:
    batch = blocks(4)
    last = last_step(CocktailParty(iterations=300), observation(small_network(), batch))
    paired = last.images[pairing(last.images, batch.images)]
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).mean()
    assert psnr(paired, batch.images).mean() > gray + 8
    assert (last.labels == UNKNOWN).all()


def test_the_released_variant_runs_without_the_contrast() -> None:
    first, *_ = CocktailParty(contrast=False, iterations=2).run(observation(small_network(), blocks(3)), generator())
    assert set(first.losses) == {"total", "correlation", "total variation"}
    with_it, *_ = CocktailParty(iterations=2).run(observation(small_network(), blocks(3)), generator())
    assert "contrast" in with_it.losses


def test_the_weighted_terms_add_up_to_the_total() -> None:
    for step in CocktailParty(iterations=5).run(observation(small_network(), blocks(3)), generator()):
        assert sum(step.weighted.values()) == pytest.approx(step.losses["total"])


def test_local_steps_of_fedavg_leave_the_mixtures_as_they_are() -> None:
    batch, rule = private_batch(), FedAvg(local_epochs=3, local_lr=0.1)
    last = last_step(CocktailParty(iterations=1), observation(small_network(), batch, rule=rule))
    assert psnr(last.images, batch.images).item() > 60


def without_bias(model: nn.Sequential) -> nn.Sequential:
    """The small network with a first layer that has no bias."""
    model[1] = nn.Linear(64, 32, bias=False)
    nn.init.uniform_(model[1].weight, -0.5, 0.5, generator=generator())
    return model


def test_without_a_bias_the_picture_spans_the_range() -> None:
    batch = private_batch()
    last = last_step(CocktailParty(iterations=1), observation(without_bias(small_network()), batch))
    centered_pair = [centered(images.flatten(1)) for images in (last.images, batch.images)]
    assert best_cosines(*centered_pair).item() > 0.999
    assert last.images.max().item() == pytest.approx(1, abs=1e-5)


def test_an_image_whose_scale_is_overestimated_is_shrunk_into_the_range() -> None:
    model = small_network()
    layer = first_layer(model, (1, 8, 8))
    picture = private_batch().images.reshape(1, 64).double()
    mixed = Mixed(picture, torch.tensor([0.01], dtype=torch.float64), layer)
    image = mixed.developed(torch.ones(1, 1, dtype=torch.float64))
    assert (image <= 1).double().mean() >= 0.95
    assert best_cosines(image.flatten(1), picture).item() > 0.999


def test_more_images_than_rows_are_refused_with_a_way_out() -> None:
    with pytest.raises(ValueError, match="at most 32 images"):
        next(CocktailParty().run(observation(small_network(), private_batch(33)), generator()))


def test_scores_tell_one_image_less_apart_than_there_are_classes() -> None:
    with pytest.raises(ValueError, match="at most 3 images"):
        next(CocktailParty().run(observation(batch_norm_network().eval(), private_batch(4)), generator()))


def test_a_second_round_is_as_many_more_mixtures() -> None:
    batch = blocks(33)
    once, again = (observation(small_network(seed=seed), batch) for seed in range(2))
    seen = replace(once, rounds=once.rounds + again.rounds)
    step = next(CocktailParty(iterations=1).run(seen, generator()))
    assert dict(step.tables[0].rows)["mixtures"] == 64


def test_an_update_that_is_not_finite_ends_gray_and_says_so() -> None:
    model = small_network()
    broken = tuple(torch.full_like(p, float("nan")) for p in model.parameters())
    last = last_step(CocktailParty(), observation(model, private_batch(2), update=broken))
    assert (last.images == 0.5).all()
    assert dict(last.tables[0].rows)["sources told apart"] == 0


def convolutional_network() -> nn.Module:
    """Embeddings of 512 entries, and a wide layer behind them."""
    model = nn.Sequential(
        nn.Conv2d(1, 8, 3, padding=1),
        nn.LeakyReLU(0.2),
        nn.Flatten(),
        nn.Linear(512, 16),
        nn.Sigmoid(),
        nn.Linear(16, 4),
    )
    rng = generator(3)
    for parameter in model.parameters():
        nn.init.uniform_(parameter, -0.5, 0.5, generator=rng)
    return model


def squares(count: int) -> Batch:
    """A bright square each, elsewhere on a dark ground."""
    images = torch.full((count, 1, 8, 8), 0.15)
    for number, image in enumerate(images):
        image[:, 4 * number % 5 :, 3 * number % 5 :][:, :3, :3] = 0.9
    return Batch(images, torch.arange(count) % 4)


def test_the_first_layer_that_gets_one_vector_per_image_is_the_embedding() -> None:
    model, batch = convolutional_network(), squares(3)
    embedding = Embedding(model, (1, 8, 8))
    assert embedding.layer(model) is model[3]
    assert torch.equal(torch.stack(embedding(model, batch)), model[:3](batch.images))


def test_an_image_is_found_for_its_embedding() -> None:
    model, batch = convolutional_network(), squares(2)
    embedding, seen = Embedding(model, (1, 8, 8)), observation(model, batch)
    wanted = torch.stack(embedding(model, batch))
    *_, last = invert(seen, embedding, wanted, iterations=300, lr=0.05, tv_weight=0.01, rng=generator())
    assert psnr(last.images, batch.images).min() > 30


def test_embeddings_are_separated_and_turned_into_images() -> None:
    batch = squares(2)
    attack = CocktailParty(iterations=50, inversion_iterations=300, inversion_lr=0.05)
    steps = list(attack.run(observation(convolutional_network(), batch), generator()))
    assert [step.iteration for step in steps] == list(range(1, 351))
    assert (steps[0].images == 0.5).all()
    assert ("what the layer receives", "embeddings") in steps[0].tables[0].rows
    paired = steps[-1].images[pairing(steps[-1].images, batch.images)]
    gray = psnr(torch.full_like(batch.images, 0.5), batch.images).mean()
    assert psnr(paired, batch.images).mean() > gray + 3


@pytest.mark.parametrize(
    "model",
    [MLP(width=5), MLP(width=300), LeNet(), CNN6(), ViT(patch=4, dim=32, depth=1)],
    ids=lambda model: model.name,
)
def test_the_form_refuses_the_batches_that_the_run_would(model: Model) -> None:
    """What the spec says of the model that it describes, and what the network says that was built."""
    data = Data((1, 8, 8), tuple("abcdefghij"), None, None, (0.5,), (0.25,))
    network = model.build(data, generator())
    linear = (
        first_layer(network, (1, 8, 8)).linear if model.name == "mlp" else Embedding(network, (1, 8, 8)).layer(network)
    )
    most = capacity(linear, network)
    spec = AuditSpec(dataset=Digits(size=8), model=model, attack=CocktailParty())
    too_many, enough = (spec.model_copy(update={"batch_size": size}) for size in (most + 1, most))
    assert [objection.field for objection in unmet(CocktailParty.needs, too_many, 10)] == ["batch_size"]
    assert CocktailParty.needs.conditions[0].lacking(too_many, 10) == (most,)
    assert unmet(CocktailParty.needs, enough, 10) == []
