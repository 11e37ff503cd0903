"""The page about priors, and the choice of one in the lab, on a real store and a real training."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest
import torch
from streamlit.testing.v1 import AppTest

from gia_core import attacker_card
from gia_core.attacks import GIAS, GIML, CINet
from gia_core.datasets import Digits
from gia_core.models import LeNet
from gia_core.priors import VAE, PriorSpec, shelf
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.worker import carry_out
from ui import preflight, prior_figures
from ui.chapters import Chapters

APP = Path(__file__).parent.parent / "app.py"
PRIORS = "pages/explore/priors.py"
SMALL = PriorSpec(name="small", dataset=Digits(size=16), method=VAE(latent=4, width=4), steps=3, batch_size=8)


pytestmark = pytest.mark.usefixtures("installation")


@pytest.fixture(autouse=True)
def one_thread() -> Iterator[None]:
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    yield
    torch.set_num_threads(threads)


@pytest.fixture
def store(installation: Path) -> RunStore:
    return RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)


def visit(page: str | None = PRIORS, **query: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=60).run()
    test.query_params.clear()
    for name, value in query.items():
        test.query_params[name.replace("__", ".")] = value
    test = test.switch_page(page).run() if page else test.run()
    assert not test.exception
    return test


def texts(test: AppTest) -> str:
    """All that a page says."""
    kinds = ("markdown", "caption", "info", "warning", "error", "success", "title")
    return "\n".join(str(element.value) for kind in kinds for element in getattr(test, kind))


def alternatives(test: AppTest) -> list[str]:
    return [picture.alt for image in test.image for picture in image.proto.imgs]


def start(test: AppTest):
    return next(found for found in test.button if found.label == "Start")


def carried_out(store: RunStore, spec: PriorSpec | AuditSpec, home: Path) -> str:
    run_id = store.submit(spec)
    store.claim("runner")
    assert carry_out(store, run_id, device="cpu", home=home) is None
    return run_id


def test_every_prior_that_comes_with_the_lab_is_shown_with_samples() -> None:
    test = visit()
    cards = list(shelf.cards(shelf.SHIPPED))
    assert cards
    for card in cards:
        assert f"Samples of the prior {card.name}" in alternatives(test)
        assert f"**{card.name}**" in texts(test)
    assert "never learns from the victims" in texts(test)


def test_start_trains_exactly_what_the_form_says(store: RunStore) -> None:
    test = visit()
    test.text_input(key="setup.prior.name").set_value("mine").run()
    test.selectbox(key="setup.prior.dataset").set_value("faces").run()
    test.number_input(key="setup.prior.steps").set_value(7).run()
    start(test).click().run()
    (run,) = store.runs()
    assert run.job.model_dump(exclude={"dataset", "method"}) == {
        **PriorSpec(name="mine", steps=7).model_dump(exclude={"dataset", "method"})
    }
    assert run.job.dataset.name == "faces"
    assert test.query_params["run"] in (run.id, [run.id])


def test_priors_of_64_pixels_can_be_asked_for(store: RunStore) -> None:
    test = visit()
    test.selectbox(key="setup.prior.dataset.photos.size").set_value(64).run()
    start(test).click().run()
    (run,) = store.runs()
    assert run.job.dataset.size == 64


def test_what_cannot_be_learned_disables_start_with_the_reason() -> None:
    test = visit()
    test.selectbox(key="setup.prior.dataset").set_value("cifar10").run()
    assert start(test).disabled
    assert "not on this machine yet" in texts(test)
    test.selectbox(key="setup.prior.dataset").set_value("photos").run()
    test.text_input(key="setup.prior.name").set_value("Two words").run()
    assert start(test).disabled
    assert "small letters, digits and single hyphens" in texts(test)


def test_a_finished_training_shows_its_samples_and_that_the_prior_is_kept(store: RunStore, installation: Path) -> None:
    run_id = carried_out(store, SMALL, installation)
    assert store.run(run_id).status is Status.FINISHED
    test = visit(run=run_id)
    assert "Samples of the prior after 3 steps" in alternatives(test)
    assert "The prior small is kept as it was after 3 steps" in texts(test)
    next(found for found in test.button if found.label == "Show all priors").click().run()
    assert "Samples of the prior small" in alternatives(test)


def test_a_failed_training_says_why(store: RunStore, installation: Path) -> None:
    wild = SMALL.model_copy(update={"method": VAE(latent=4, width=4, lr=1.0), "steps": 200})
    test = visit(run=carried_out(store, wild, installation))
    assert [error.value for error in test.error] == [
        "The training diverged; choose a smaller learning rate or another seed."
    ]


def test_a_prior_that_an_attack_learns_shows_its_samples_and_is_kept(store: RunStore, installation: Path) -> None:
    briefly = {"rounds": 1, "latent_iterations": 1, "weight_iterations": 1, "private_iterations": 1}
    attack = GIML(**briefly, together=2, final_iterations=0, latent=4, width=4)
    granted = Knowledge(labels=True, single_updates=True)
    run_id = carried_out(store, AuditSpec(dataset=Digits(size=16), attack=attack, knowledge=granted), installation)
    test = visit(None, run=run_id)
    assert {"Samples of the prior before it learned", "Samples of the prior at iteration 3"} <= set(alternatives(test))
    (card,) = [card for card in shelf.priors(installation) if not card.has_seen_images]
    assert f"The prior is kept as {card.name}" in texts(test)
    assert "from 2 training images that it has never seen (2 updates of one image each)" in texts(visit())


def test_an_unknown_training_gives_one_friendly_sentence() -> None:
    assert "There is no training with this address" in texts(visit(run="0123"))


def test_the_lab_marks_the_priors_that_do_not_fit() -> None:
    test = visit(None, attack="gias", dataset="digits", knowledge__labels="1")
    (choice,) = [box for box in test.selectbox if box.label == "Prior"]
    fits = {option.partition(":")[0]: "choose another prior" not in option for option in choice.options}
    assert fits["automatic"]
    assert fits["digits-32"]
    assert fits["faces-32"]  # of the same shape: what a foreign prior is worth is a question of its own
    assert not fits["photos-32"]


def test_the_curves_take_each_look_once() -> None:
    told = Chapters()
    told.steps = [
        {"iteration": i, "losses": {"total": 1 / i}, "frechet": f, "looked_at": at}
        for i, f, at in [(1, None, None), (2, 5.0, 2), (3, 5.0, 2), (4, 4.0, 4)]
    ]
    figure = prior_figures.distances(told)
    assert figure["x"] == [2, 4]
    assert figure["series"][0]["y"] == [5.0, 4.0]
    assert "lowest was 4 after 4" in figure["alt"]
    assert prior_figures.losses(told)["x"] == [1, 2, 3, 4]
    assert prior_figures.losses(Chapters())["series"] == []


def test_the_preflight_tells_what_a_generator_knows_and_where_it_is_known_to_fail() -> None:
    known = Knowledge(labels=True)
    assert any("a prior" in words for words in attacker_card.granted(AuditSpec(attack=GIAS(), knowledge=known)))
    assert not any("a prior" in words for words in attacker_card.granted(AuditSpec(attack=CINet(), knowledge=known)))
    sigmoid, relu = (AuditSpec(attack=CINet(), model=LeNet(activation=a), knowledge=known) for a in ("sigmoid", "relu"))
    assert not any("CI-Net" in words for words in preflight.cautions(sigmoid))
    assert any("expect it to fail" in words for words in preflight.cautions(relu))
