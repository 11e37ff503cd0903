"""Defenses that disguise the batch: what they make of it, and what is left of them once an attacker knows how."""

from __future__ import annotations

import io
import math
from dataclasses import fields, is_dataclass
from pathlib import Path

import pytest
import torch
import torch.nn.functional as F
from hypothesis import given
from hypothesis import strategies as st
from PIL import Image
from torchvision.transforms.v2 import functional
from victims import generator, observation, private_batch, small_network

from gia_core.attacks import DLG
from gia_core.attacks.matching.candidate import Candidate, Prior
from gia_core.audit import Finished, Started, audit
from gia_core.clients import FedAvg, FedSGD, Vertical
from gia_core.datasets import Digits, Photos, Upload
from gia_core.datasets.uploads import decode_all
from gia_core.defenses import defend
from gia_core.defenses.ats import ATS
from gia_core.defenses.dp_sgd import DPSGD
from gia_core.defenses.instahide import InstaHide
from gia_core.defenses.mixing import Mixture, accepted, dirichlet, matrix, partners
from gia_core.defenses.mixup import MixUp
from gia_core.defenses.transformations import LIBRARY, Altered, Step, draw, sharpened, shifted
from gia_core.defenses.unsigning import agreeing_signs, neighbors
from gia_core.exchange import exchange
from gia_core.federation import Federation, Holder
from gia_core.metrics import psnr
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Knowledge
from gia_core.threat_model import observe
from gia_core.types import Batch

ENCODINGS = [MixUp(k=3), InstaHide(k=3), InstaHide(k=4, partners="cross"), ATS(), ATS(policy="21-13-3+7-4-15")]
PUBLIC = torch.rand(20, 1, 8, 8, generator=generator(9))


def photographs(count: int, home: Path, *, first: int = 0) -> torch.Tensor:
    split = Photos().open(home).victims
    chosen = range(first, first + 7 * count, 7)
    return torch.stack([torch.from_numpy(split.image(i)).permute(2, 0, 1).float() / 255 for i in chosen])


def decoded(encoding, images: torch.Tensor, *, rounds: int, public: torch.Tensor | None = None) -> torch.Tensor:
    """What a perfect inversion of every round is decoded to."""
    batch, rng = Batch(images, torch.zeros(len(images), dtype=torch.long)), generator(1)
    *earlier, last = [encoding.encode(batch, 4, rng, public) for _ in range(rounds)]
    return last.key.decode(last.batch.images, [(one.key, one.batch.images) for one in earlier])


def scores(home: Path, *, granted: bool, **choices) -> tuple[Started, list[float]]:
    """One audit of DLG on a small network; the PSNR of every image."""
    spec = AuditSpec(
        **{
            "dataset": Digits(size=8),
            "model": MLP(activation="sigmoid", width=64),
            "attack": DLG(iterations=100, restarts=1),
            "batch_size": 2,
            "knowledge": Knowledge(labels=True, defense=granted),
        }
        | choices
    )
    started, *_, finished = audit(spec, home=home)
    assert isinstance(started, Started)
    assert isinstance(finished, Finished)
    return started, finished.last.scores["psnr"]


# What every encoding keeps.


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_an_encoding_leaves_the_private_batch_alone_and_keeps_its_shape(encoding):
    batch = private_batch(4)
    before = batch.images.clone(), batch.labels.clone()
    encoded = encoding.encode(batch, 4, generator(), PUBLIC).batch
    assert torch.equal(batch.images, before[0])
    assert torch.equal(batch.labels, before[1])
    assert encoded.images.shape == batch.images.shape
    assert ((encoded.images >= -1e-6) & (encoded.images <= 1 + 1e-6)).all()
    assert not torch.equal(encoded.images, batch.images)


@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_the_same_seed_encodes_alike_and_the_next_round_otherwise(encoding):
    batch, rng = private_batch(4), generator(3)
    first, second = (encoding.encode(batch, 4, rng, PUBLIC).batch.images for _ in range(2))
    again = encoding.encode(batch, 4, generator(3), PUBLIC).batch.images
    assert torch.equal(first, again)
    assert not torch.equal(first, second)


@pytest.mark.parametrize("client", [FedSGD(), FedAvg(local_epochs=2, local_batch_size=2)], ids=lambda c: c.name)
@pytest.mark.parametrize("encoding", ENCODINGS, ids=str)
def test_the_client_computes_on_the_encoded_batch(encoding, client):
    model, batch = small_network(), private_batch(4)
    update = defend(client, (encoding,), generator(3), PUBLIC)(model, batch)
    encoded = encoding.encode(batch, 4, generator(3), PUBLIC).batch
    assert all(torch.equal(u, e) for u, e in zip(update, client(model, encoded), strict=True))


# Mixing.


@given(count=st.integers(1, 6), more=st.integers(0, 10), seed=st.integers(0, 100))
def test_partners_are_orders_of_the_batch_without_an_image_twice_in_a_row(count, more, seed):
    size = count + more
    chosen = partners(size, count, generator(seed))
    assert chosen.shape == (size, count)
    assert all(sorted(column.tolist()) == list(range(size)) for column in chosen.T)
    assert all(len(set(row.tolist())) == count for row in chosen)


def test_more_partners_than_images_are_refused_with_a_sentence():
    with pytest.raises(ValueError, match="needs a batch of at least 4"):
        MixUp(k=4).encode(private_batch(3), 4, generator())


@pytest.mark.parametrize("count", [2, 4, 6])
def test_weights_sum_to_one_stay_below_the_bound_and_favor_the_first(count):
    weights = dirichlet(20_000, count, 1.0, generator())
    assert torch.allclose(weights.sum(dim=1), torch.ones(20_000))
    first = weights[:, 0]
    assert abs(first.mean() - 3 / (count + 2)) < 4 * first.std() / math.sqrt(len(first))
    assert dirichlet(2000, count, 0.65, generator()).max() <= 0.65


def test_one_weight_is_all():
    assert torch.equal(dirichlet(3, 1, 0.65, generator()), torch.ones(3, 1))


def test_rows_are_drawn_until_all_are_accepted():
    rng = generator()
    found = accepted(lambda n: torch.rand(n, 1, generator=rng), lambda rows: rows[:, 0] > 0.9, 50)
    assert found.shape == (50, 1)
    assert (found > 0.9).all()


def test_a_mixture_by_hand():
    images = torch.stack([torch.zeros(1, 2, 2), torch.ones(1, 2, 2)])
    key = Mixture(torch.tensor([[0.75, 0.25], [0.5, 0.5]]), classes=3)
    mixed = key.mixed(Batch(images, torch.tensor([2, 0])))
    assert mixed.images[:, 0, 0, 0].tolist() == [0.25, 0.5]
    assert mixed.labels.tolist() == [[0.25, 0, 0.75], [0.5, 0, 0.5]]
    assert torch.equal(key.labels(F.one_hot(torch.tensor([2, 0]), 3).float()), mixed.labels)
    assert matrix(torch.tensor([[1, 0]]), torch.tensor([[0.7, 0.3]]), 3).tolist() == [
        [pytest.approx(0.3), pytest.approx(0.7), 0]
    ]


@pytest.mark.parametrize(("k", "rounds"), [(2, 1), (4, 1), (4, 5)])
def test_who_knows_the_weights_solves_for_the_images(home: Path, k: int, rounds: int):
    images = photographs(4, home)
    assert psnr(decoded(MixUp(k=k), images, rounds=rounds), images).min() > 35


# InstaHide.


def test_flipped_pixels_keep_their_distance_from_mid_gray():
    batch = private_batch(4)
    encoded = InstaHide(k=3).encode(batch, 4, generator())
    mixed = encoded.key.mix(batch.images)
    assert torch.allclose((encoded.batch.images - 0.5).abs(), (mixed - 0.5).abs(), atol=1e-6)
    assert torch.allclose(encoded.key.natural(encoded.batch.images), 0.5 + (mixed - 0.5).abs(), atol=1e-6)


def test_half_of_the_pixels_are_flipped():
    images = torch.zeros(4, 3, 40, 40)
    flipped = InstaHide(k=1).encode(Batch(images, torch.zeros(4).long()), 2, generator()).batch.images
    assert set(flipped.unique().tolist()) == {0.0, 1.0}
    assert abs(flipped.mean() - 0.5) < 4 * 0.5 / math.sqrt(images.numel())


def test_without_flips_instahide_inside_is_mixup():
    batch = private_batch(4)
    one, other = (d.encode(batch, 4, generator()).batch for d in (InstaHide(k=3, flips=0), MixUp(k=3)))
    assert torch.equal(one.images, other.images)
    assert torch.equal(one.labels, other.labels)


def test_public_images_take_part_in_the_picture_but_not_in_the_label():
    batch = private_batch(4)
    encoding = InstaHide(k=6, partners="cross", flips=0)
    encoded = encoding.encode(batch, 4, generator(), PUBLIC)
    weights = encoded.key.weights
    assert torch.equal((weights > 0).sum(dim=1), torch.full((4,), 2))
    assert ((weights.sum(dim=1) >= 0.3) & (weights.sum(dim=1) < 1)).all()
    assert torch.allclose(encoded.batch.labels.sum(dim=1), torch.ones(4))
    ours = torch.einsum("ij,jchw->ichw", weights, batch.images - 0.5)
    assert torch.allclose(encoded.batch.images - 0.5, ours + encoded.key.added, atol=1e-6)
    assert (encoded.key.added.abs().amax(dim=(1, 2, 3)) > 0.05).all()


def test_a_single_private_image_hides_among_public_ones():
    encoded = InstaHide(k=4, partners="cross").encode(private_batch(1), 4, generator(), PUBLIC)
    assert encoded.key.weights.shape == (1, 1)
    assert encoded.batch.labels.sum() == 1


def test_cross_without_public_images_is_refused_with_a_sentence():
    with pytest.raises(ValueError, match="needs public images"):
        InstaHide(partners="cross").encode(private_batch(4), 4, generator())


@pytest.mark.parametrize(("partners", "rounds"), [("inside", 10), ("cross", 10)])
def test_magnitudes_of_several_rounds_give_the_images_away(home: Path, partners, rounds):
    images, public = photographs(4, home), photographs(20, home, first=3)
    found = decoded(InstaHide(k=4, partners=partners), images, rounds=rounds, public=public)
    assert psnr(found, images).min() > 25


def test_one_round_of_flipped_pixels_does_not_decide(home: Path):
    """What is known of one encoding fits several batches, so decoding must not be taken for certain."""
    images = photographs(4, home)
    found = decoded(InstaHide(k=2), images, rounds=1)
    batch = Batch(images, torch.zeros(4, dtype=torch.long))
    key = InstaHide(k=2).encode(batch, 4, generator(1)).key
    away = [(key.mix(one) - 0.5).abs() for one in (found, images)]
    assert (away[0] - away[1]).abs().mean() < 0.01
    assert psnr(found, images).min() < 25


def test_neighbors_are_counted_once():
    first, second = neighbors((2, 3, 4))
    assert len(first) == len(second) == 12 + 2 * (2 * 4 + 3 * 3)
    assert (first < second).all()


def test_signs_follow_the_neighbors_up_to_the_negative_of_the_whole_picture():
    rows = torch.linspace(-0.5, 0.3, 6)
    pictures = torch.stack([rows[:, None].expand(6, 6), torch.full((6, 6), -0.4)])
    pictures = pictures.reshape(2, 36)
    signs = torch.where(torch.rand(36, generator=generator()) < 0.5, -1.0, 1.0)
    flipped = pictures * signs
    found = flipped * agreeing_signs(flipped, (1, 6, 6))
    assert torch.allclose(found * (found[0, 0] * pictures[0, 0]).sign(), pictures)


# ATS.


def test_the_published_policies_use_known_steps():
    for policy in ("3-1-7+43-18-18", "21-13-3+7-4-15"):
        choices = {tuple(LIBRARY[int(n)][0] for n in part.split("-")) for part in policy.split("+")}
        drawn = [draw(policy, 1.0, rng) for rng in map(generator, range(40))]
        assert {tuple(step.operation for step in steps) for steps in drawn} == choices
        assert {step.amount > 0 for steps in drawn for step in steps} == {True, False}


def test_steps_have_their_published_magnitudes():
    amounts = {step.operation: abs(step.amount) for step in draw("3-1-7+3-1-7", 1.0, generator())}
    assert amounts["translate-x"] == pytest.approx(150 / 331)
    assert amounts["contrast"] == pytest.approx(0.5 * 6 / 9)
    assert amounts["translate-y"] == pytest.approx(150 / 331 * 2 / 9)
    assert abs(draw("3-1-7+3-1-7", 0.5, generator())[0].amount) == pytest.approx(150 / 331 / 2)


def test_steps_on_an_image_of_one_color():
    plain = torch.full((3, 8, 8), 0.4)
    assert torch.allclose(Step("contrast", 0.5)(plain), plain, atol=1e-3)  # the weights of the colors add up to 0.9999
    assert torch.allclose(Step("sharpness", 0.5)(plain), plain, atol=1e-6)
    assert torch.allclose(Step("brightness", 0.5)(plain), plain * 1.5)
    assert Step("translate-x", 0.25)(plain)[0, 0].tolist() == pytest.approx([0.5] * 2 + [0.4] * 6)


def test_a_shift_moves_every_pixel_and_uncovers_gray():
    image = torch.rand(3, 8, 8, generator=generator())
    moved = shifted(image, 2, -1)
    assert torch.equal(moved[:, :-1, 2:], image[:, 1:, :-2])
    assert (moved[:, -1] == 0.5).all()
    assert (moved[:, :, :2] == 0.5).all()


@pytest.mark.parametrize("factor", [0.5, 1.0, 1.5])
def test_sharpness_is_that_of_torchvision(factor):
    image = torch.rand(3, 9, 7, generator=generator())
    assert torch.allclose(sharpened(image, factor), functional.adjust_sharpness(image, factor), atol=1e-6)


def test_every_step_can_be_differentiated():
    for operation, _ in LIBRARY.values():
        image = (0.4 + 0.2 * torch.rand(1, 8, 8, generator=generator())).requires_grad_()
        (gradient,) = torch.autograd.grad(Step(operation, 0.2)(image).square().sum(), image)
        assert gradient.isfinite().all()
        assert gradient.abs().sum() > 0


def test_steps_of_strength_zero_change_nothing():
    image = torch.rand(1, 8, 8, generator=generator())
    for operation, _ in LIBRARY.values():
        assert torch.allclose(Step(operation, 0.0)(image), image, atol=1e-6)


@pytest.mark.parametrize("policy", ["3-1-7+43-18-18", "21-13-3+7-4-15"])
def test_who_knows_the_steps_undoes_them_and_more_rounds_fill_what_a_shift_cut_off(home: Path, policy):
    images = photographs(1, home)
    batch = Batch(images, torch.zeros(1, dtype=torch.long))
    found = [psnr(decoded(ATS(policy=policy), images, rounds=rounds), images).item() for rounds in (1, 6)]
    altered = psnr(ATS(policy=policy).encode(batch, 4, generator(1)).batch.images, images).item()
    assert found[0] > altered
    assert found[1] > 30


def test_undoing_nothing_gives_what_arrived():
    images = 0.2 + 0.6 * private_batch(2).images
    found = Altered(((Step("contrast", 0.0),),) * 2).decode(images, ())
    assert psnr(found, images).min() > 40


# Audits: the attacker who knows, and the one who does not.


def test_mixup_falls_to_the_attacker_who_knows_the_weights(home: Path):
    choices = {"defenses": (MixUp(k=2),)}
    bare, without = scores(home, granted=False)
    naive, blind = scores(home, granted=False, **choices)
    known, adaptive = scores(home, granted=True, **choices)
    assert bare.capture.distance < 1e-4
    assert known.capture.distance < 1e-4
    assert naive.capture.distance > 0.05
    assert min(without) > 40
    assert max(blind) < 20
    assert min(adaptive) > 40


def test_ats_falls_to_the_attacker_who_knows_the_policy(home: Path):
    choices = {"defenses": (ATS(policy="21-13-3+7-4-15"),), "rounds": 2, "batch_size": 1}
    assert max(scores(home, granted=False, **choices)[1]) < 15
    known, adaptive = scores(home, granted=True, **choices)
    assert known.capture.distance < 1e-4
    assert min(adaptive) > 30


def test_instahide_falls_to_the_attacker_who_knows_the_weights_of_several_rounds(home: Path):
    choices = {"defenses": (InstaHide(k=4, partners="cross"),), "rounds": 4, "batch_size": 1}
    assert max(scores(home, granted=False, **choices)[1]) < 15
    known, adaptive = scores(home, granted=True, **choices)
    assert known.capture.distance < 1e-4
    assert min(adaptive) > 30


def test_iterations_of_all_rounds_are_counted_through(home: Path):
    spec = AuditSpec(
        dataset=Digits(size=8),
        model=MLP(activation="sigmoid"),
        attack=DLG(iterations=3, restarts=1),
        batch_size=2,
        rounds=3,
        defenses=(MixUp(k=2),),
        knowledge=Knowledge(defense=True),
    )
    _, *progress, _ = audit(spec, home=home)
    assert [event.step.iteration for event in progress] == list(range(1, 10))
    assert {event.step.iterations for event in progress} == {9}


def tensors(value: object, depth: int = 4) -> list[torch.Tensor]:
    """All tensors that can be reached through fields, sequences and bound methods."""
    if isinstance(value, torch.Tensor):
        return [value]
    if depth == 0:
        return []
    parts: list[object] = [getattr(value, "__self__", None)]
    if is_dataclass(value):
        parts += [getattr(value, field.name) for field in fields(value)]
    if isinstance(value, tuple | list):
        parts += value
    return [tensor for part in parts if part is not None for tensor in tensors(part, depth - 1)]


@pytest.mark.parametrize("encoding", [MixUp(k=2), InstaHide(k=4, partners="cross"), ATS()], ids=lambda d: d.name)
def test_what_the_knowing_attacker_is_told_holds_no_private_picture(home: Path, encoding):
    spec = AuditSpec(dataset=Digits(size=8), batch_size=3, defenses=(encoding,), knowledge=Knowledge(defense=True))
    data, truth = spec.dataset.open(home), private_batch(3)
    client = defend(spec.client, spec.defenses, generator(), PUBLIC)
    federation = Federation(spec, [Holder(truth, client)], tuple(truth.images.shape[1:]), generator())
    rounds = exchange(spec, small_network(), federation, 4, generator())
    for target in observe(spec, data, rounds, truth, federation, None):
        told = [tensor for tensor in tensors(target.seen) if tensor.shape == truth.images.shape]
        for secret in (truth.images, target.batch.images):
            assert not any(torch.equal(tensor, secret) for tensor in told)
        assert sum(len(tensors(part)) for part in (target.seen.rounds, target.seen.encoded_labels)) > 0


def test_priors_judge_what_looks_like_a_picture():
    prior = Prior("brightness", 1.0, lambda images: images.mean())
    model, batch = small_network(), private_batch(1)
    seen = observation(model, batch)
    mirrored = Candidate(batch.images, batch.labels, model, natural=lambda images: 1 - images)
    plain = Candidate(batch.images, batch.labels, model, natural=seen.natural)
    assert prior.of(plain) == batch.images.mean()
    assert prior.of(mirrored) == pytest.approx(1 - batch.images.mean().item(), abs=1e-6)


# What does not go together.


@pytest.mark.parametrize(
    ("choices", "reason"),
    [
        ({"defenses": (MixUp(k=4),), "batch_size": 3}, "enlarge the batch"),
        ({"defenses": (InstaHide(k=4),), "batch_size": 1}, "enlarge the batch"),
        ({"defenses": (MixUp(k=2), ATS()), "batch_size": 2}, "only one encoding"),
        ({"defenses": (MixUp(k=2), DPSGD()), "batch_size": 2}, "epsilon would not hold"),
        ({"defenses": (ATS(),), "client": Vertical(), "batch_size": 2}, "vertical client"),
    ],
)
def test_what_does_not_fit_is_refused_with_a_sentence(home: Path, choices, reason):
    found = AuditSpec(**choices).objections(home)
    assert any(one.field == "defenses" and reason in one.reason for one in found)


def test_public_images_must_be_there(home: Path):
    picture = io.BytesIO()
    Image.new("RGB", (40, 40), (200, 30, 90)).save(picture, "PNG")
    upload = Upload(pictures=decode_all([("red.png", picture.getvalue())], size=32))
    cross = AuditSpec(dataset=upload, defenses=(InstaHide(k=4, partners="cross"),))
    assert any("no training images to mix in" in one.reason for one in cross.objections(home))
    for fits in ({"dataset": Digits()}, {"defenses": (InstaHide(k=1),)}):
        assert not cross.model_copy(update=fits).objections(home)


@pytest.mark.parametrize("bad", [{"k": 0}, {"k": 7}, {"max_weight": 0.3}, {"max_weight": 1.1}])
def test_impossible_strengths_cannot_be_set(bad):
    for kind in (MixUp, InstaHide):
        with pytest.raises(ValueError, match=next(iter(bad))):
            kind(**bad)
