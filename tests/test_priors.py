"""Priors: what they learn from, how they are kept, and what becomes of interrupted, failed or damaged ones."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from dataclasses import replace
from itertools import islice
from pathlib import Path

import numpy as np
import pytest
import scipy.linalg
import torch
from PIL import Image
from pydantic import ValidationError
from safetensors.torch import save
from small_datasets import write_image_folder
from torch import nn
from typer.testing import CliRunner

from gia_core.__main__ import app
from gia_core.attacks import GIAS
from gia_core.audit import audit
from gia_core.chronicle import Advanced, Began, Ended
from gia_core.datasets import CIFAR10, Digits, Faces, ImageFolder, Photos, Upload
from gia_core.models.training import Training
from gia_core.priors import DCGAN, VAE, PriorSpec, checkpoint, publishing, shelf, training
from gia_core.priors.frechet import frechet_distance
from gia_core.priors.material import Material
from gia_core.priors.networks import Decoder, grids
from gia_core.priors.story import tell
from gia_core.priors.training import Learned, Learning, learn
from gia_core.spec import AuditSpec, Knowledge
from gia_core.types import LabeledImages

DIGITS = Digits(size=16)
SMALL = PriorSpec(name="small", dataset=DIGITS, method=VAE(latent=4, width=4), steps=4, batch_size=8)
OFFLINE = (Photos(), Faces(), Digits())


@pytest.fixture(autouse=True, scope="module")
def one_thread():
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture(scope="module")
def judged(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An installation in which the network that judges samples is trained already."""
    home = tmp_path_factory.mktemp("judged")
    list(learn(SMALL, home=home))
    shelf.remove(SMALL.name, home)
    return home


@pytest.fixture
def home(tmp_path: Path, judged: Path) -> Path:
    (tmp_path / "weights").symlink_to(judged / "weights")
    return tmp_path


@pytest.fixture
def look_often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(training, "LOOK_EVERY", 2)


def learned(spec: PriorSpec, home: Path) -> Learned:
    *_, last = learn(spec, home=home)
    assert isinstance(last, Learned)
    return last


def named(home: Path) -> set[str]:
    return {card.name for card in shelf.priors(home)} - {card.name for card in shelf.cards(shelf.SHIPPED)}


# What is learned, and from what.


def test_a_prior_never_looks_at_the_victims(home: Path, monkeypatch: pytest.MonkeyPatch):
    data = DIGITS.open(home)

    def peeked(index: int) -> np.ndarray:
        raise AssertionError("a prior has looked at a victim")

    blind = replace(data, victims=LabeledImages(data.victims.labels, peeked))
    monkeypatch.setattr(Digits, "open", lambda self, home: blind)
    assert learned(SMALL, home).card.training_images == len(data.training)


@pytest.mark.parametrize("dataset", OFFLINE, ids=lambda dataset: dataset.name)
def test_no_victim_is_among_what_is_learned(dataset, home: Path):
    data = dataset.open(home)
    images = Material(data, "cpu").images
    learned_from = {hashlib.sha256(image.numpy().tobytes()).digest() for image in images}
    shown = [data.victims.image(index).transpose(2, 0, 1) for index in range(len(data.victims))]
    assert not learned_from & {hashlib.sha256(np.ascontiguousarray(image).tobytes()).digest() for image in shown}


@pytest.mark.parametrize("method", [VAE(latent=4, width=4), DCGAN(latent=4, width=4)], ids=lambda method: method.name)
@pytest.mark.parametrize("conditional", [False, True])
def test_the_same_spec_learns_the_same(method, conditional: bool, home: Path, tmp_path_factory):
    spec = SMALL.model_copy(update={"method": method, "conditional": conditional})
    other = tmp_path_factory.mktemp("other")
    (other / "weights").symlink_to(home / "weights")
    assert learned(spec, home).card.sha256 == learned(spec, other).card.sha256


def test_a_vae_learns_to_draw_what_it_saw(home: Path):
    spec = SMALL.model_copy(update={"steps": 150, "batch_size": 32, "method": VAE(latent=8, width=8, lr=5e-3)})
    events = [event for event in learn(spec, home=home) if isinstance(event, Learning)]
    assert events[-1].losses["error"] < 0.7 * events[0].losses["error"]
    assert events[-1].look is not None
    assert events[-1].best <= events[-1].look.frechet


def test_what_has_no_training_images_or_another_size_is_refused(home: Path, monkeypatch: pytest.MonkeyPatch):
    (objection,) = PriorSpec(dataset=Photos(size=128)).objections(home)
    assert "choose another size" in objection.reason
    assert "not on this machine yet" in PriorSpec(dataset=CIFAR10()).objections(home)[0].reason
    monkeypatch.setattr(Digits, "trainable", lambda self, home: False)
    with pytest.raises(ValueError, match="has no training images"):
        next(learn(SMALL, home=home))


@pytest.mark.parametrize("name", ["Faces", "two words", "../etc", "-a", ""])
def test_a_name_is_made_of_small_letters_digits_and_hyphens(name: str):
    with pytest.raises(ValidationError):
        PriorSpec(name=name)


# Interrupted, stopped, failed.


def test_an_interrupted_training_goes_on_as_if_nothing_had_happened(home: Path, look_often, judged: Path):
    spec = SMALL.model_copy(update={"steps": 5, "method": DCGAN(latent=4, width=4), "conditional": True})
    under_way = learn(spec, home=home)
    seen = [event.step for event in islice(under_way, 3)]
    under_way.close()
    assert seen == [1, 2, 3]
    assert named(home) == set()
    first, *_, last = learn(spec, home=home)
    assert first.step == 3  # the last checkpoint was after two steps
    uninterrupted = learned(spec, judged)
    assert last.card.sha256 == uninterrupted.card.sha256
    assert last.card.frechet == uninterrupted.card.frechet
    shelf.remove(spec.name, judged)
    assert not list((home / "priors" / ".unfinished").iterdir())


def test_a_finished_prior_leaves_no_interrupted_training_of_its_name(home: Path, look_often):
    for seed, name in ((1, "small"), (0, "small-too")):
        under_way = learn(SMALL.model_copy(update={"seed": seed, "name": name}), home=home)
        list(islice(under_way, 3))
        under_way.close()
    assert len(list((home / "priors" / ".unfinished").iterdir())) == 2
    learned(SMALL, home)
    (left,) = (home / "priors" / ".unfinished").iterdir()
    assert left.name.startswith("small-too-")


def test_what_nobody_went_on_with_for_a_month_is_forgotten(tmp_path: Path):
    old, new = tmp_path / "old-0123456789abcdef.safetensors", tmp_path / "new-0123456789abcdef.safetensors"
    for file, days in ((old, 31), (new, 29)):
        file.write_bytes(b"")
        os.utime(file, (0, days_ago := 10_000_000.0 - 24 * 3600 * days))
        assert file.stat().st_mtime == days_ago
    checkpoint.clear_abandoned(tmp_path, now=10_000_000.0)
    assert list(tmp_path.iterdir()) == [new]


@pytest.mark.parametrize("damage", [b"", b"no safetensors", None])
def test_a_damaged_checkpoint_begins_anew(damage: bytes | None, home: Path, look_often):
    under_way = learn(SMALL, home=home)
    assert [event.step for event in islice(under_way, 3)] == [1, 2, 3]
    under_way.close()
    (file,) = (home / "priors" / ".unfinished").iterdir()
    content = file.read_bytes()
    file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]) if damage is None else damage)
    assert next(learn(SMALL, home=home)).step == 1


def test_stopping_keeps_the_best(home: Path, look_often):
    wanted = iter([False, False, True])
    *_, last = learn(SMALL, home=home, stopped=lambda: next(wanted))
    assert last.card.stopped
    assert last.card.steps in (2, 3)
    assert shelf.load("small", home).image_shape == (1, 16, 16)


def test_a_full_disk_is_told_and_leaves_nothing_half_written(home: Path, look_often, monkeypatch: pytest.MonkeyPatch):
    def full(samples: torch.Tensor) -> bytes:
        raise OSError(errno.ENOSPC, "No space left on device")

    with monkeypatch.context() as patched:
        patched.setattr(publishing, "sheet", full)
        with pytest.raises(ValueError, match=r"^The disk is full; make room"):
            list(learn(SMALL, home=home))
    assert named(home) == set()
    with pytest.raises(ValueError, match="no prior called small"):
        shelf.load("small", home)
    assert next(learn(SMALL, home=home)).step == 3  # it goes on from the checkpoint after two steps


def test_a_training_that_diverges_is_told(home: Path):
    spec = SMALL.model_copy(update={"method": VAE(latent=4, width=4, lr=1.0), "steps": 200})
    with pytest.raises(ValueError, match="The training diverged; choose a smaller learning rate"):
        list(learn(spec, home=home))
    assert named(home) == set()


def test_a_prior_whose_samples_are_all_alike_is_told(home: Path):
    wild = DCGAN(latent=4, width=4, lr=1.0)  # it runs away, and every pixel becomes black or white for good
    spec = SMALL.model_copy(update={"method": wild, "steps": 20})
    with pytest.raises(ValueError, match="The prior collapsed, its samples are all alike"):
        list(learn(spec, home=home))
    assert named(home) == set()


def test_a_name_that_is_taken_is_refused(home: Path):
    learned(SMALL, home)
    (objection,) = SMALL.objections(home)
    assert objection.field == "name"
    shelf.remove("small", home)
    assert SMALL.objections(home) == []


# Kept and opened.


def test_a_prior_is_rebuilt_from_its_card_alone(home: Path):
    last = learned(SMALL.model_copy(update={"conditional": True}), home)
    prior = shelf.load("small", home)
    assert (prior.image_shape, prior.latent_shape, prior.num_classes) == ((1, 16, 16), (4,), 10)
    assert hashlib.sha256(publishing.weights(prior)).hexdigest() == last.card.sha256
    assert not any(parameter.requires_grad for parameter in prior.parameters())
    assert "pickle" not in (home / "priors" / "small.json").read_text()
    assert shelf.sheet("small", home)[:4] == b"\x89PNG"


def test_damaged_weights_are_refused_by_their_hash(home: Path):
    learned(SMALL, home)
    file = home / "priors" / "small.safetensors"
    content = bytearray(file.read_bytes())
    content[-1] ^= 1
    file.write_bytes(bytes(content))
    with pytest.raises(ValueError, match="damaged or another prior's"):
        shelf.load("small", home)
    file.unlink()
    with pytest.raises(ValueError, match="are missing"):
        shelf.load("small", home)


@pytest.mark.parametrize("content", [save({"first.weight": torch.zeros(2)}), b"not tensors at all"])
def test_foreign_weights_are_refused_by_their_shapes(content: bytes, home: Path):
    learned(SMALL, home)
    card = home / "priors" / "small.json"
    described = json.loads(card.read_text()) | {"sha256": hashlib.sha256(content).hexdigest()}
    card.write_text(json.dumps(described))
    (home / "priors" / "small.safetensors").write_bytes(content)
    with pytest.raises(ValueError, match="do not fit the network"):
        shelf.load("small", home)


def test_a_card_of_another_version_or_name_is_left_out(home: Path):
    learned(SMALL, home)
    card = home / "priors" / "small.json"
    card.with_name("other.json").write_text(card.read_text())
    assert named(home) == {"small"}
    card.write_text(json.dumps(json.loads(card.read_text()) | {"format": 99}))
    assert named(home) == set()


def test_a_prior_says_whom_it_does_not_fit(home: Path):
    card = learned(SMALL, home).card
    assert card.objection(DIGITS) is None
    assert "28 × 28" not in card.objection(Digits())
    assert "32 × 32" in card.objection(Digits())
    gray = card.model_copy(update={"image_shape": (1, 32, 32)})
    assert gray.objection(Faces()) is None  # another data set is a question of its own
    assert "may have seen the victims" in gray.objection(Digits())


def test_auto_takes_the_prior_for_the_data_set(home: Path):
    with pytest.raises(ValueError, match="No prior on this machine has learned from digits of this size"):
        shelf.fitting("auto", DIGITS, home)
    learned(SMALL, home)
    assert shelf.fitting("auto", DIGITS, home).name == "small"
    assert "draws images of" in shelf.objection("small", Photos(), home)


@pytest.mark.parametrize("method", [VAE(latent=4, width=4), DCGAN(latent=4, width=4)], ids=lambda m: m.name)
def test_a_prior_of_64_pixels_is_learned_and_searched(method, tmp_path: Path):
    write_image_folder(tmp_path / "data/pets", {"cat": 10, "dog": 10})
    pets = ImageFolder(root="pets", size=64)
    card = learned(PriorSpec(name="large", dataset=pets, method=method, steps=2, batch_size=4), tmp_path).card
    assert card.image_shape == (3, 64, 64)
    attack = GIAS(prior="large", latent_iterations=1, weight_iterations=1)
    *_, finished = audit(AuditSpec(dataset=pets, attack=attack, knowledge=Knowledge(labels=True)), home=tmp_path)
    assert finished.last.step.images.shape == (1, 3, 64, 64)


# The parts.


@pytest.mark.parametrize("side", [8, 25, 28, 32, 64])
def test_every_image_size_is_met_exactly(side: int):
    assert max(grids(side, side)[0]) <= 4
    images = Decoder((3, side, side), latent=5, width=4)(torch.randn(2, 5))
    assert images.shape == (2, 3, side, side)
    assert images.min() >= 0
    assert images.max() <= 1


def test_the_decoder_judges_every_image_on_its_own_in_every_mode():
    prior, codes = Decoder((1, 8, 8), latent=5, width=4, num_classes=3), torch.randn(3, 5)
    labels = torch.tensor([0, -1, 2])
    together = prior.train()(codes, labels)
    alone = torch.cat([prior.eval()(codes[i : i + 1], labels[i : i + 1]) for i in range(3)])
    assert torch.allclose(together, alone, atol=1e-6)
    assert torch.equal(prior(codes), prior(codes, torch.full((3,), -1)))


def test_the_decoder_is_twice_differentiable():
    prior = Decoder((1, 8, 8), latent=3, width=4).double()
    codes = torch.randn(1, 3, dtype=torch.double, requires_grad=True)
    assert torch.autograd.gradgradcheck(lambda z: prior(z).square().sum(), codes)


def test_the_distance_of_gaussians_is_the_closed_form():
    points = torch.randn(500, 4, dtype=torch.double, generator=torch.Generator().manual_seed(0))
    assert frechet_distance(points, points) == pytest.approx(0, abs=1e-9)
    moved = points + torch.tensor([3.0, 0, 0, 4.0])
    assert frechet_distance(points, moved) == pytest.approx(25)
    other = points @ torch.randn(4, 4, dtype=torch.double, generator=torch.Generator().manual_seed(1))
    one, two = points.T.cov().numpy(), other.T.cov().numpy()
    apart = float((points.mean(0) - other.mean(0)).square().sum())
    expected = apart + np.trace(one + two - 2 * scipy.linalg.sqrtm(one @ two).real)
    assert frechet_distance(points, other) == pytest.approx(expected)


def test_a_checkpoint_of_another_training_is_none(tmp_path: Path):
    layer, rng = nn.Linear(2, 2), torch.Generator()
    kept = checkpoint.Checkpoint(tmp_path / "c", "one", {"layer": layer}, {}, rng)
    kept.save({"step": 7.0})
    assert kept.restore() == {"step": 7.0}
    assert checkpoint.Checkpoint(tmp_path / "c", "two", {"layer": layer}, {}, rng).restore() is None


def test_the_story_of_a_training_fits_the_store(home: Path):
    events = list(tell(SMALL, device="cpu", home=home, stopped=lambda: False))
    kinds = [type(event) for event in events if not isinstance(event, Training)]
    assert kinds == [Began, *[Advanced] * SMALL.steps, Ended]
    assert all(json.dumps(event.body) for event in events if not isinstance(event, Training))
    assert events[-1].images.shape == (64, 1, 16, 16)


def test_uploads_cannot_be_learned_from():
    assert "trainable" in vars(Upload)


# Those that come with GIA Lab.


@pytest.mark.parametrize("dataset", OFFLINE, ids=lambda dataset: dataset.name)
def test_a_prior_comes_with_every_offline_data_set(dataset, tmp_path: Path):
    card = shelf.fitting("auto", dataset, tmp_path)
    assert card.objection(dataset) is None
    assert (shelf.SHIPPED / f"{card.name}.safetensors").stat().st_size <= 6_000_000
    assert card.training_sha256 == Material(dataset.open(tmp_path), "cpu").sha256
    assert card.processor_seconds < 2 * 40 * 60
    assert card.spec == PriorSpec.model_validate_json((shelf.SHIPPED / "specs" / f"{card.name}.json").read_bytes())
    prior = shelf.load(card.name, tmp_path)
    samples = prior(torch.randn(16, *prior.latent_shape, generator=torch.Generator().manual_seed(0)))
    assert samples.std(dim=0).mean() > 0.02


# From the command line.


@pytest.fixture
def call(home: Path, monkeypatch: pytest.MonkeyPatch):
    monkeypatch.setenv("GIA_HOME", str(home))
    return lambda *words, stdin="": CliRunner().invoke(app, words, input=stdin)


def test_a_prior_is_trained_listed_and_shown(call, tmp_path: Path):
    trained = call("prior", "train", "-", "--json", stdin=SMALL.model_dump_json())
    assert trained.exit_code == 0
    assert json.loads(trained.stdout.splitlines()[-1])["spec"]["name"] == "small"
    listed = {card["spec"]["name"] for card in json.loads(call("prior", "list", "--json").stdout)}
    assert listed >= {"small", "digits-32"}
    assert "small" in call("prior", "list").stdout
    shown = call("prior", "show", "small", "--out", str(tmp_path / "sheet.png"))
    assert shown.exit_code == 0
    assert "1437 training images" in shown.stdout
    with Image.open(tmp_path / "sheet.png") as sheet:
        assert sheet.width == 8 * 16 + 7 * publishing.GAP


@pytest.mark.parametrize(
    ("words", "stdin", "said"),
    [
        (("prior", "train", "-"), '{"method": {"name": "vae", "lr": -1}}', "method.lr: Input should be greater than 0"),
        (("prior", "train", "-"), '{"dataset": {"name": "cifar10"}}', "not on this machine yet"),
        (("prior", "show", "nobody"), "", "There is no prior called nobody on this machine"),
    ],
)
def test_what_makes_no_sense_is_refused_in_one_line(words: tuple[str, ...], stdin: str, said: str, call):
    refused = call(*words, stdin=stdin)
    assert refused.exit_code == 2
    assert said in refused.stderr
    assert len(refused.stderr.splitlines()) == 1


def test_damaged_weights_are_told_when_a_prior_is_shown(call, home: Path):
    learned(SMALL, home)
    (home / "priors" / "small.safetensors").write_bytes(b"")
    shown = call("prior", "show", "small")
    assert shown.exit_code == 1
    assert "damaged or another prior's" in shown.stderr
