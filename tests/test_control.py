"""The control of a run: what the same attack finds in random numbers, and where it stands beside the real one."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch
from seeded import seed_run
from streamlit.testing.v1 import AppTest
from victims import generator

from gia_core import attacker_card, report
from gia_core.advisor.evidence import alike
from gia_core.attacks import GIAS, LinearLeak, RobbingTheFed
from gia_core.audit import audit
from gia_core.control import control_of, held_by_clients, out_of_domain, random_update
from gia_core.datasets import Digits
from gia_core.models import MLP
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.worker import carry_out
from ui import address, control_beside, kinds, location

APP = Path(__file__).parent.parent / "app.py"
LEAK = AuditSpec(dataset=Digits(), model=MLP(), attack=LinearLeak())
PAINTED = AuditSpec(dataset=Digits(), attack=GIAS(latent_iterations=2, weight_iterations=1, labels="idlg"))


def test_the_random_update_has_the_size_of_the_real_one_and_nothing_else_of_it():
    update = (torch.full((40, 30), 2.0), torch.arange(5.0), torch.zeros(3))
    drawn, other = random_update(update, generator(0)), random_update(update, generator(1))
    for noise, tensor in zip(drawn, update, strict=True):
        assert noise.shape == tensor.shape
        assert noise.norm().item() == pytest.approx(tensor.norm().item(), rel=1e-5)
    assert not torch.allclose(drawn[0], other[0])
    assert abs(torch.cosine_similarity(drawn[0].flatten(), update[0].flatten(), dim=0)) < 0.15


def test_a_control_differs_by_the_update_and_the_labels_alone():
    control = control_of(PAINTED)
    assert control.control == "random-update"
    assert control.knowledge.labels
    assert control.attack == PAINTED.attack.model_copy(update={"labels": "auto"})
    same = {"control": PAINTED.control, "knowledge": PAINTED.knowledge, "attack": PAINTED.attack}
    assert control.model_copy(update=same) == PAINTED
    assert control_of(control) == control


def test_clients_hold_negatives_out_of_domain_and_nothing_else_changes(home):
    data, spec = Digits().open(home), out_of_domain(PAINTED)
    held = held_by_clients(spec, data)
    assert (held.victims.image(3).astype(int) + data.victims.image(3) == 255).all()
    assert (held.victims.labels == data.victims.labels).all()
    assert held.training is data.training
    assert held_by_clients(PAINTED, data) is data
    assert spec.model_copy(update={"control": "none"}) == PAINTED


def test_a_closed_form_which_knows_no_kinds_recovers_negatives_too(home):
    started, finished = story(out_of_domain(LEAK), home)
    original, _ = story(LEAK, home)
    assert torch.allclose(started.truth.images, 1 - original.truth.images, atol=1e-6)
    assert finished.last.scores["psnr"][0] > 40
    assert started.capture.passed


def story(spec: AuditSpec, home: Path):
    started, *_, finished = audit(spec, home=home)
    return started, finished


MALICIOUS = AuditSpec(
    dataset=Digits(),
    model=MLP(),
    attack=RobbingTheFed(bins=16),
    knowledge=Knowledge(malicious_server=True, public_data=True),
)


@pytest.mark.parametrize("spec", [LEAK, MALICIOUS], ids=["update", "answer"])
def test_nothing_is_recovered_from_a_control_of_what_a_closed_form_recovers(spec, home):
    _, real = story(spec, home)
    started, control = story(control_of(spec), home)
    assert real.last.scores["psnr"][0] > 40
    assert control.last.scores["psnr"][0] < 15
    assert started.capture.passed
    assert "control" in started.capture.message
    assert control.diagnosis == ()


def test_the_same_seed_gives_the_same_control(home):
    first, second = (story(control_of(LEAK), home)[1].last.scores for _ in range(2))
    assert first == second


def test_a_control_is_no_evidence_and_its_verdict_is_no_leak(tmp_path):
    store = RunStore(f"sqlite:///{tmp_path / 'gia.db'}", home=tmp_path)
    real, control = seed_run(store, PAINTED), seed_run(store, control_of(PAINTED), closeness=1.0)
    assert [found.run.id for found in alike(PAINTED, store.runs())] == [real]
    sentence = report.verdict(report.summary(store.run(control), store.events(control)))
    assert sentence.startswith("Control: so close")
    assert kinds.in_short(store.run(control)) == "Control of GIAS on digits"
    negatives = seed_run(store, out_of_domain(PAINTED), closeness=1.0)
    assert [found.run.id for found in alike(PAINTED, store.runs())] == [real]
    sentence = report.verdict(report.summary(store.run(negatives), store.events(negatives)))
    assert sentence.startswith("Control: so close comes this attack to negatives")


def test_the_attacker_card_says_that_there_was_no_update():
    assert any("random numbers" in words for words in attacker_card.granted(control_of(PAINTED)))


@pytest.mark.parametrize(
    ("control", "real", "other", "words"),
    [
        ("random-update", 20.0, 14.0, "6.0 dB closer"),
        ("random-update", 14.4, 14.0, "no more than chance"),
        ("random-update", 13.0, 14.0, "less close"),
        ("random-update", None, 14.0, "nothing can be said"),
        ("negatives", 20.0, 14.0, "6.0 dB less close"),
        ("negatives", 14.4, 14.0, "does not lean on"),
        ("negatives", 13.0, 14.0, "1.0 dB closer"),
    ],
)
def test_the_difference_in_words(control, real, other, words):
    (check,) = (check for check in control_beside.CHECKS if check.key == control)
    assert words in control_beside.in_words(check, real, other)


# The page.


def shown(run_id: str) -> AppTest:
    test = AppTest.from_file(str(APP), default_timeout=60)
    test.query_params[address.RUN] = run_id
    test.run()
    assert not test.exception
    return test


def said(test: AppTest) -> str:
    return "\n".join(str(found.value) for kind in ("markdown", "caption", "html") for found in getattr(test, kind))


def press(test: AppTest, label: str) -> None:
    next(found for found in test.button if found.label == label).click().run()
    assert not test.exception


def test_the_controls_are_asked_for_beside_a_result_and_stand_beside_each_other(installation: Path):
    store = RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)
    real = seed_run(store, PAINTED, closeness=0.9)
    assert "no proof of a leak" in said(shown(real))
    for label, spec, row in (
        ("Run its control", control_of(PAINTED), "dB closer"),
        ("Run it on negatives", out_of_domain(PAINTED), "dB less close"),
    ):
        press(shown(real), label)
        (control,) = store.runs(statuses=(Status.QUEUED,))
        assert control.spec == spec
        carry_out(store, control.id, device="cpu", home=installation)
        for run_id in (real, control.id):
            page = shown(run_id)
            assert "This attack beside its control" in said(page)
            assert row in said(page)
            assert label not in [button.label for button in page.button]


def test_attacks_that_let_no_network_draw_have_no_control_beside_them(installation: Path):
    store = RunStore(f"sqlite:///{installation / 'gia.db'}", home=installation)
    assert "no proof of a leak" not in said(shown(seed_run(store, LEAK)))


def test_the_form_keeps_that_a_setup_is_a_control(installation: Path):
    test = AppTest.from_file(str(APP), default_timeout=60)
    for name, value in address.to_query(control_of(PAINTED)).items():
        test.query_params[name] = value
    test.run()
    assert test.session_state[location.DRAFT] == control_of(PAINTED)
