"""Runs of several kinds are read as what they are."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from gia_core.jobs import AUDIT, KINDS, kind_of, read
from gia_core.spec import AuditSpec
from ui import kinds


def test_a_job_without_a_kind_is_an_audit():
    spec = AuditSpec(batch_size=3)
    assert read(spec.model_dump_json()) == spec
    assert kind_of(spec) == AUDIT


@pytest.mark.parametrize("kind", KINDS)
def test_every_kind_comes_back_as_itself(kind: str):
    job = KINDS[kind]()
    assert kind_of(read(job.model_dump_json())) == kind
    assert read(job.model_dump_json()) == job


def test_what_is_no_job_is_refused():
    with pytest.raises(ValueError, match=r"^kind: there is no brew; choose one of audit"):
        read('{"kind": "brew"}')
    with pytest.raises(ValidationError):
        read('{"batch_size": 0}')
    with pytest.raises(ValueError, match="expected"):
        read("not JSON")


def test_the_pages_know_every_kind():
    assert list(kinds.KINDS) == list(KINDS)
