"""GGL: CMA-ES on functions with a known minimum, updates of a whole population, and codes with a known answer."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from victims import (
    bare_transformer,
    batch_norm_network,
    generator,
    observation,
    private_batch,
    small_network,
    smooth_prior,
    untrained_prior,
)

from gia_core.attacks import GGL
from gia_core.attacks.generative.evolution import CMAES
from gia_core.attacks.generative.population import each_simulated, gradients, population_objective
from gia_core.attacks.matching.distances import squared_l2
from gia_core.attacks.matching.objective import objective
from gia_core.clients import FedAvg
from gia_core.datasets import Digits
from gia_core.defenses import Clipping, Precode, Pruning, Soteria, defend, remodeled
from gia_core.metrics import psnr
from gia_core.spec import AuditSpec
from gia_core.threat_model import known_to
from gia_core.types import Batch, Observation, Round


def minimized(function, *, size: int, population: int, evaluations: int, seed: int = 0) -> float:
    """The lowest value that CMA-ES comes to."""
    search = CMAES(torch.ones(size), 0.5, population=population, rng=generator(seed))
    lowest = float("inf")
    for _ in range(evaluations // population):
        candidates = search.ask()
        values = function(candidates)
        search.tell(candidates, values)
        lowest = min(lowest, values.min().item())
    return lowest


@pytest.mark.parametrize("population", [10, 50])
@pytest.mark.parametrize("seed", range(3))
def test_the_sphere_is_solved_within_five_thousand_evaluations(population: int, seed: int):
    """Acceptance identity 12."""
    sphere = lambda x: x.square().sum(1)  # noqa: E731
    assert minimized(sphere, size=10, population=population, evaluations=5000, seed=seed) < 1e-8


def test_the_shape_of_a_rotated_ellipsoid_is_learned():
    turn, _ = torch.linalg.qr(torch.randn(6, 6, generator=generator(2), dtype=torch.float64))
    stretch = torch.logspace(0, 4, 6, dtype=torch.float64)
    assert minimized(lambda x: ((x @ turn).square() * stretch).sum(1), size=6, population=12, evaluations=6000) < 1e-8


def test_only_the_order_of_the_losses_matters():
    one, other = (CMAES(torch.ones(4), 1.0, population=8, rng=generator()) for _ in range(2))
    for _ in range(5):
        candidates, same = one.ask(), other.ask()
        assert torch.equal(candidates, same)
        losses = candidates.square().sum(1)
        one.tell(candidates, losses)
        other.tell(same, losses.exp() - 7)


def test_a_loss_that_is_no_number_is_the_worst():
    one, other = (CMAES(torch.ones(4), 1.0, population=8, rng=generator()) for _ in range(2))
    candidates = one.ask()
    losses = candidates.square().sum(1)
    worst = int(losses.argmax())
    one.tell(candidates, losses)
    other.tell(other.ask(), losses.index_fill(0, torch.tensor([worst]), torch.nan))
    assert torch.equal(one.mean, other.mean)
    assert one.sigma == other.sigma


NETWORKS = {
    "linear": small_network(),
    "batch norm": batch_norm_network().eval(),
    "batch norm in training mode": batch_norm_network(),
    "transformer": bare_transformer(),
}


@pytest.mark.parametrize("network", NETWORKS.values(), ids=NETWORKS)
@pytest.mark.parametrize("rule", [None, FedAvg(local_epochs=2, local_lr=0.1)], ids=["fedsgd", "fedavg"])
def test_every_candidate_gets_the_update_that_its_client_would_send(network, rule):
    truth, candidates = private_batch(), private_batch(5, seed=3).images
    seen = observation(network, truth, rule=rule)
    found = list(each_simulated(seen, seen.rounds[0], candidates, truth.labels))
    for image, update in zip(candidates, found, strict=True):
        expected = seen.simulated(seen.rounds[0], Batch(image[None], truth.labels))
        assert all(torch.allclose(u, e, atol=1e-6) for u, e in zip(update, expected, strict=True))
    distances = population_objective(seen, squared_l2)(candidates, truth.labels)
    alone = [objective(seen, squared_l2)(Batch(image[None], truth.labels), False) for image in candidates]
    assert torch.allclose(distances, torch.stack(alone), rtol=1e-4)


def test_a_population_passes_the_network_once():
    network, passes = small_network(), []
    network.register_forward_hook(lambda *_: passes.append(1))
    updates = gradients(network, private_batch(50).images, torch.tensor([1]))
    assert [len(update) for update in updates] == [50] * 4
    assert len(passes) == 1


@pytest.mark.parametrize("defense", [Clipping(bound=0.01), Pruning(ratio=0.9), Soteria(ratio=0.5), Precode()])
def test_a_known_defense_is_applied_to_every_candidate(defense):
    truth = private_batch()
    network = remodeled((defense,), small_network(), generator())
    rule = defend(observation(network, truth).rule, (defense,), generator())
    seen = observation(network, truth, update=rule(network, truth))
    known = replace(seen, rounds=(known_to((defense,), seen.rounds[0]),))
    images = torch.cat([truth.images, private_batch(3, seed=5).images])
    distances = population_objective(known, squared_l2)(images, truth.labels)
    assert distances.isfinite().all()
    assert distances[0] == distances.min()
    if not isinstance(defense, Precode):  # which draws random numbers in every pass
        assert distances[0] < 1e-6


def seen_by(prior, batch: Batch, **known) -> Observation:
    return replace(observation(small_network(), batch, **known), prior=lambda name: prior)


def test_the_code_of_a_drawn_picture_is_found_and_its_label_read():
    prior = smooth_prior()
    batch = Batch(prior(torch.randn(1, 9, generator=generator(3))), torch.tensor([2]))
    *_, last = GGL(iterations=60, population=20, code_weight=0).run(seen_by(prior, batch), generator())
    assert psnr(last.images, batch.images).item() > 35
    assert torch.equal(last.labels, batch.labels)
    assert last.iteration == last.iterations == 60


def test_a_squashed_search_stays_where_codes_are_small():
    prior, largest = untrained_prior(), []
    prior.register_forward_pre_hook(lambda _, inputs: largest.append(inputs[0].abs().max().item()))
    for squash in (True, False):
        list(GGL(iterations=3, step_size=3.0, squash=squash).run(seen_by(prior, private_batch()), generator()))
    assert max(largest[:3]) <= 1 < max(largest[3:])


def test_a_conditional_prior_is_asked_for_the_class_that_was_read():
    prior, asked = untrained_prior(num_classes=4), []
    prior.register_forward_pre_hook(lambda _, inputs: asked.append(inputs[1]))
    list(
        GGL(iterations=1, population=6).run(
            seen_by(prior, Batch(private_batch().images, torch.tensor([3]))), generator()
        )
    )
    assert [labels.tolist() for labels in asked] == [[3] * 6]


def test_candidates_without_a_loss_never_win():
    network = small_network()
    broken = tuple(torch.full_like(parameter, torch.nan) for parameter in network.parameters())
    seen = replace(seen_by(untrained_prior(), private_batch(), labels=True), rounds=(Round(network, broken),))
    *_, last = GGL(iterations=2, population=4).run(seen, generator())
    assert last.dropped == 8
    assert torch.equal(last.images, torch.full((1, 1, 8, 8), 0.5))


def test_a_batch_of_two_is_an_objection(home):
    (objection,) = AuditSpec(dataset=Digits(), attack=GGL(), batch_size=2).objections(home)
    assert objection.field == "batch_size"
