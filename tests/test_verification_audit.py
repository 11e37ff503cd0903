"""A run whose client checks what it receives: what is refused, how the run ends, and what it tells."""

from __future__ import annotations

from pathlib import Path

import pytest
import torch

from gia_core.aggregation import SecureAggregation
from gia_core.attacks import InvertingGradients, LinearLeak, RobbingTheFed
from gia_core.attacks.inversion import only_step
from gia_core.audit import Finished, Progress, Started, audit
from gia_core.chronicle import Ended
from gia_core.datasets import Digits
from gia_core.models import MLP, LeNet
from gia_core.spec import AuditSpec, Knowledge
from gia_core.store import RunStore, Status
from gia_core.verification import Verification
from gia_core.verification.guard import TITLE
from gia_core.worker import carry_out

REFUSE, TELL = Verification(policy="refuse"), Verification(policy="tell")
ROBBED = AuditSpec(
    dataset=Digits(),
    model=LeNet(),
    batch_size=4,
    attack=RobbingTheFed(bins=16),
    knowledge=Knowledge(malicious_server=True, public_data=True),
    verification=REFUSE,
)
HONEST = AuditSpec(dataset=Digits(), model=LeNet(), batch_size=2, attack=InvertingGradients(iterations=2))


def story(spec: AuditSpec, home: Path):
    return list(audit(spec, home=home))


def changed(spec: AuditSpec, **values) -> AuditSpec:
    return AuditSpec.model_validate({**spec.model_dump(), **values})


def verdicts(tables) -> dict[str, str]:
    """What each check said, from tables as they are or as an event keeps them."""
    titled = (
        {t["title"]: t["rows"] for t in tables} if isinstance(tables[0], dict) else {t.title: t.rows for t in tables}
    )
    return {row[0].split()[0]: row[3] for row in titled[TITLE]}


def test_a_tampered_model_is_refused_and_the_run_ends_with_the_check_that_fired(home: Path) -> None:
    started, ended = story(ROBBED, home)
    assert isinstance(started, Started)
    assert started.capture is not None  # the honest round was answered
    assert isinstance(ended, Ended)
    assert not ended.stopped
    assert ended.body["nothing_to_invert"].startswith("The client refused: check V1 (the agreed network: ")
    assert "threshold: at most 0)" in ended.body["nothing_to_invert"]
    said = verdicts(ended.body["tables"])
    assert [name for name, verdict in said.items() if "failed" in verdict] == ["V1", "V2", "V3", "V5"]


def test_a_client_that_only_tells_is_robbed_and_says_so(home: Path) -> None:
    *_, finished = story(changed(ROBBED, verification=TELL), home)
    *_, unguarded = story(changed(ROBBED, verification=Verification()), home)
    assert finished.last.scores == unguarded.last.scores
    said = verdicts(finished.last.step.tables)
    assert len(said) == 13
    assert "failed" in said["V13"]


def test_honest_models_pass_and_the_result_is_that_without_checks(home: Path) -> None:
    *_, guarded = story(changed(HONEST, verification=REFUSE), home)
    *_, unguarded = story(HONEST, home)
    assert isinstance(guarded, Finished)
    assert torch.equal(guarded.last.step.images, unguarded.last.step.images)
    assert "failed" not in "".join(verdicts(guarded.last.step.tables).values())
    assert TITLE not in [table.title for table in unguarded.last.step.tables]


def test_the_checks_are_told_once_and_not_with_every_step(home: Path) -> None:
    steps = [event.step for event in story(changed(HONEST, verification=TELL), home) if isinstance(event, Progress)]
    assert len(steps) > 1
    assert all(step.tables is steps[0].tables for step in steps)


def test_an_update_that_gives_an_image_away_is_never_sent(home: Path) -> None:
    spec = AuditSpec(dataset=Digits(), model=MLP(), attack=LinearLeak(), verification=REFUSE)
    started, ended = story(spec, home)
    assert started.capture is None
    assert "check V13" in ended.body["nothing_to_invert"]
    careless = changed(spec, verification=Verification(policy="refuse", canary=False))
    assert isinstance(story(careless, home)[-1], Finished)


def test_what_the_attack_had_before_the_refusal_is_kept(home: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    robbing = RobbingTheFed.run

    def patient(self, seen, rng):
        yield only_step(seen, torch.zeros(0, *seen.image_shape), tables=())
        yield from robbing(self, seen, rng)

    monkeypatch.setattr(RobbingTheFed, "run", patient)
    _, progress, finished = story(ROBBED, home)
    assert isinstance(progress, Progress)
    assert isinstance(finished, Finished)
    assert (finished.last.step.images == 0.5).all()
    assert finished.diagnosis[0].startswith("The client refused: check V1")
    assert "failed" in verdicts(finished.last.step.tables)["V1"]


def test_later_rounds_are_checked_against_earlier_ones(home: Path) -> None:
    spec = changed(HONEST, rounds=4, server_lr=0.1, verification=TELL)
    *_, finished = story(spec, home)
    said = verdicts(finished.last.step.tables)
    assert said["V12"] == "✓ nothing found"
    (note,) = [table.note for table in finished.last.step.tables if table.title == TITLE]
    assert "4 models" in note


def test_a_dead_model_for_the_other_clients_is_noticed(home: Path) -> None:
    spec = changed(
        HONEST,
        clients=3,
        aggregation=SecureAggregation(bind_model=False),
        knowledge=Knowledge(malicious_server=True, dead_models=True),
        verification=REFUSE,
    )
    *_, ended = story(spec, home)
    assert "check V11 (the same for all: 2, threshold: at most 0)" in ended.body["nothing_to_invert"]
    assert isinstance(story(changed(spec, verification=TELL), home)[-1], Finished)


def test_a_refusal_is_a_finished_run_with_its_reason_and_its_checks(tmp_path: Path, home: Path) -> None:
    store = RunStore(f"sqlite:///{tmp_path / 'gia.db'}", home=home)
    run_id = store.submit(ROBBED)
    store.claim("runner")
    assert carry_out(store, run_id, device="cpu", home=home) is None
    run, last = store.run(run_id), store.events(run_id)[-1].body
    store.close()
    assert run.status is Status.FINISHED
    assert run.error is None
    assert "check V1" in last["nothing_to_invert"]
    assert verdicts(last["tables"])["V2"] == "✗ failed"
