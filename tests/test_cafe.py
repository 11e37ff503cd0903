"""CAFE: two systems of equations with known answers, and a search with a known image."""

from __future__ import annotations

from dataclasses import replace

import pytest
import torch
from victims import generator, observation, private_batch, split_network

from gia_core.attacks import CAFE
from gia_core.attacks.optimization.cafe_search import PerImageAdam, Search, mean_distance
from gia_core.attacks.optimization.incidence import Inputs, incidence, separated_inputs
from gia_core.clients import Vertical
from gia_core.metrics import psnr
from gia_core.models import Quadrants
from gia_core.models.parties import SplitNetwork
from gia_core.spec import AuditSpec, unmet
from gia_core.types import UNKNOWN, Batch, Observation, Round, Table

EVERY_PAIR_OF_FOUR = [[0, 1], [1, 2], [2, 3], [0, 2], [0, 3]]
QUICK = CAFE(iterations=250)


def watched(
    batch: Batch, taking_part: list[list[int]], model: SplitNetwork | None = None, *, labels: bool = False
) -> Observation:
    """What a server sees that picks these images, round after round, of a model that stands still."""
    model, rule = model or split_network(), Vertical()
    indices = [torch.tensor(chosen) for chosen in taking_part]
    rounds = tuple(Round(model, rule(model, batch.only(chosen)), chosen) for chosen in indices)
    return replace(observation(model, batch, rule=rule, labels=labels), rounds=rounds)


def solved(seen: Observation) -> tuple[list[Inputs], Table]:
    return separated_inputs(seen, seen.rounds[0].model.first_layers())


def drawn(size: int, part: int, rounds: int) -> list[list[int]]:
    rng = generator(3)
    return [Vertical(round_batch_size=part).participants(size, rng).tolist() for _ in range(rounds)]


def test_incidence_holds_every_images_share_of_the_mean():
    seen = watched(private_batch(3), [[0, 2], [1]])
    assert incidence(seen).tolist() == [[0.5, 0, 0.5], [0, 1, 0]]
    assert incidence(observation(split_network(), private_batch(2))).tolist() == [[0.5, 0.5]]


@pytest.mark.parametrize("hidden", [16, 1], ids=["narrow rounds", "rounds wider than the layer"])
def test_enough_rounds_give_what_every_image_put_in(hidden: int):
    """Also where more images take part than the layer has units: all rounds together decide."""
    model, batch = split_network(hidden=hidden).double(), private_batch(4)
    batch = Batch(batch.images.double(), batch.labels)
    found, table = solved(watched(batch, EVERY_PAIR_OF_FOUR, model))
    for ours, truth in zip(found, model.first_inputs(batch.images), strict=True):
        assert ours.found.all()
        torch.testing.assert_close(ours.values, truth.detach().float(), rtol=1e-5, atol=1e-6)
    assert [row[1:3] for row in table.rows] == [(4, 4)] * 5
    assert all(row[4] < 1e-10 for row in table.rows)
    assert "all images apart" in table.note


@pytest.mark.parametrize(
    ("taking_part", "apart", "rank"),
    [
        ([[0, 1], [0, 1], [2], [3]], [False, False, True, True], 3),
        ([[0, 1], [0, 1, 2], [0, 1, 2, 3]], [False, False, True, True], 3),
        ([[0, 1, 2, 3]], [False] * 4, 1),
        ([[0, 1, 2, 3]] * 6, [False] * 4, 1),
        ([[0]], [True, False, False, False], 1),
    ],
    ids=["a pair that stays together", "told apart by differences", "one round", "always the same", "only one"],
)
def test_too_few_rounds_solve_only_for_images_that_are_told_apart(taking_part, apart: list[bool], rank: int):
    model, batch = split_network(), private_batch(4)
    found, table = solved(watched(batch, taking_part, model))
    for ours, truth in zip(found, model.first_inputs(batch.images), strict=True):
        assert ours.found.tolist() == apart
        torch.testing.assert_close(ours.values[ours.found], truth[ours.found].detach(), rtol=1e-3, atol=1e-4)
        assert (ours.values[~ours.found] == 0).all()
    assert table.rows[0][1:3] == (rank, 4)
    assert f"{sum(apart)} of 4 images" in table.note


def test_a_model_that_moves_leaves_a_residual():
    batch, rule, model = private_batch(4), Vertical(), split_network()
    still = watched(batch, EVERY_PAIR_OF_FOUR)
    rounds = []
    for chosen in map(torch.tensor, EVERY_PAIR_OF_FOUR):
        rounds.append(Round(model, rule(model, batch.only(chosen)), chosen))
        model = rule.advance(model, rounds[-1].update, 0.5)
    residuals = [solved(seen)[1].rows[0][4] for seen in (still, replace(still, rounds=tuple(rounds)))]
    assert residuals[0] < 1e-6
    assert residuals[1] > 1e-3


def test_the_truth_satisfies_everything_that_the_search_asks_for():
    batch = private_batch(4)
    seen = watched(batch, EVERY_PAIR_OF_FOUR, labels=True)
    search = Search(seen, QUICK, generator())
    search.images.values = batch.images.clone()
    at_truth = search.mean_losses()
    assert at_truth["matching"] < 1e-10
    assert at_truth["features"] < 1e-6
    assert mean_distance(seen, batch) == CAFE().mismatch(seen, batch) == pytest.approx(0, abs=1e-10)
    assert mean_distance(seen, private_batch(4, seed=5)) > 1e-3


@pytest.mark.parametrize("seed", range(2))
def test_finds_every_image_and_label_of_a_batch_larger_than_a_round(seed: int):
    batch = private_batch(6, seed=seed)
    *_, last = QUICK.run(watched(batch, drawn(6, 3, 12)), generator(seed))
    assert psnr(last.images, batch.images).min() > 25
    assert torch.equal(last.labels, batch.labels)


def test_a_step_tells_raw_and_weighted_terms_and_the_best_so_far():
    seen = watched(private_batch(4), EVERY_PAIR_OF_FOUR, labels=True)
    steps = list(CAFE(iterations=12, tv_threshold=0).run(seen, generator()))
    assert [step.iteration for step in steps] == list(range(1, 13))
    for step in steps:
        assert step.losses["total"] == pytest.approx(sum(step.weighted.values()), rel=1e-5)
        assert step.weighted["total variation"] == pytest.approx(1e-3 * step.losses["total variation"])
        assert step.tables is steps[0].tables
    totals = [step.best["total"] for step in steps]
    assert totals == sorted(totals, reverse=True)
    assert totals[-1] < totals[0]


def test_smooth_enough_pictures_pay_nothing():
    seen = watched(private_batch(4), EVERY_PAIR_OF_FOUR, labels=True)
    step = next(iter(CAFE(iterations=1, tv_threshold=10).run(seen, generator())))
    assert step.losses["total variation"] == 0


def test_images_that_never_take_part_stay_gray_and_without_a_label():
    batch = private_batch(4)
    *_, last = CAFE(iterations=30).run(watched(batch, [[0, 2], [0], [2]]), generator())
    assert (last.images[[1, 3]] == 0.5).all()
    assert (last.labels[[1, 3]] == UNKNOWN).all()
    assert (last.labels[[0, 2]] != UNKNOWN).all()
    assert not (last.images[[0, 2]] == 0.5).any(dim=(1, 2, 3)).all()


def test_an_update_of_zeros_ends_without_an_error():
    seen = watched(private_batch(4), EVERY_PAIR_OF_FOUR, labels=True)
    nothing = [replace(one, update=tuple(torch.zeros_like(u) for u in one.update)) for one in seen.rounds]
    *_, last = CAFE(iterations=20).run(replace(seen, rounds=tuple(nothing)), generator())
    assert last.images.isfinite().all()
    assert last.tables[0].rows[1][1:] == (0, 4, None, None)


def test_what_it_cannot_work_with_is_refused_in_a_sentence():
    batch = private_batch(2)
    seen = watched(batch, [[0], [1]])
    with pytest.raises(ValueError, match="grant them"):
        CAFE(labels="known").run(seen, generator())
    broken = replace(seen.rounds[0], update=tuple(u * torch.nan for u in seen.rounds[0].update))
    with pytest.raises(ValueError, match="not finite"):
        CAFE().run(replace(seen, rounds=(broken,)), generator())
    whole = torch.nn.Sequential(torch.nn.Flatten(), torch.nn.Linear(64, 4))
    with pytest.raises(ValueError, match="choose quadrants"):
        CAFE().run(observation(whole, batch), generator())


def test_the_form_refuses_rounds_that_cannot_tell_the_images_apart():
    def fields(**choices: object) -> list[str]:
        setup = AuditSpec(attack=CAFE(), model=Quadrants(), client=Vertical(round_batch_size=8))
        return [objection.field for objection in unmet(CAFE.needs, setup.model_copy(update=choices))]

    assert fields(batch_size=40, rounds=80) == fields(batch_size=40, rounds=40) == fields(batch_size=1, rounds=1) == []
    assert fields(batch_size=40, rounds=39) == ["rounds"]
    assert fields(batch_size=8, rounds=16) == ["client.round_batch_size"]
    assert [need.lacking(AuditSpec(batch_size=40), None) for need in CAFE.needs.conditions[:1]] == [(80,)]


def test_moments_are_each_images_own():
    """Against torch's Adam, run for every image on the steps that it took part in."""
    rng = generator()
    start, taking_part = torch.rand(3, 2, generator=rng), [[0, 1], [1], [0, 1], [1], [1, 0]]
    ours = PerImageAdam(start.clone())
    theirs = [torch.nn.Parameter(row.clone()) for row in start]
    optimizers = [torch.optim.Adam([row], lr=0.1) for row in theirs]
    for chosen in taking_part:
        gradient = torch.randn(len(chosen), 2, generator=rng)
        ours.move(torch.tensor(chosen), gradient, 0.1)
        for index, slope in zip(chosen, gradient, strict=True):
            theirs[index].grad = slope.clone()
            optimizers[index].step()
    torch.testing.assert_close(ours.values, torch.stack(theirs).detach())
    assert torch.equal(ours.values[2], start[2])


def test_models_stay_as_they_were():
    seen = watched(private_batch(4), EVERY_PAIR_OF_FOUR)
    model, state = seen.rounds[0].model, torch.get_rng_state()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    list(CAFE(iterations=6).run(seen, generator()))
    assert all(torch.equal(tensor, before[name]) for name, tensor in model.state_dict().items())
    assert all(parameter.grad is None and parameter.requires_grad for parameter in model.parameters())
    assert torch.equal(torch.get_rng_state(), state)
