"""A client that checks what it receives, round after round. Imports torch: only for those who carry out an exchange."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from torch import nn

from ..aggregation.fingerprint import fingerprint
from ..types import Batch, Step, Table, Update
from .findings import Inspection
from .received import Received
from .verification import Verification

REMEMBERED = 20
"""Models of earlier rounds that the client keeps."""

TITLE = "What the client checked"


class Guard:
    """Remembers what passed, and tells of the latest model what every check says."""

    def __init__(self, verification: Verification, agreed: nn.Module | None) -> None:
        self._verification, self._agreed = verification, agreed
        self._passed: tuple[nn.Module, ...] = ()
        self._received: Received | None = None
        self._inspection = Inspection(())
        self._models, self._failed = 0, 0
        self._told: tuple[tuple[Table, ...], Inspection, tuple[Table, ...]] | None = None

    def receive(self, model: nn.Module, batch: Batch, others: Sequence[nn.Module] = ()) -> None:
        """Before the client trains on its ``batch``; ``others`` are the models that other clients received.

        Raises RefusedError where the client does not train this model.
        """
        if self._verification.policy == "off":
            return
        hashes = {id(other): fingerprint(other) for other in others}
        theirs, last = tuple(hashes[id(other)] for other in others), self._received
        if last is not None and last.model is model and last.others == theirs:  # nothing new since the last round
            self._received = replace(last, batch=batch)
            return
        seen = Received(model, batch, self._agreed, self._passed, theirs)
        self._received, self._models = seen, self._models + 1
        self._inspection = self._verification.inspect(seen)
        failed = bool(self._inspection.fired("fail"))
        self._failed += failed
        if not failed:
            self._passed = (*self._passed, model)[-REMEMBERED:]
        self._verification.act_on(self._inspection)

    def send(self, update: Update) -> None:
        """Before the client sends what it computed. Raises RefusedError where it does not."""
        if self._received is None or not self._verification.canary:
            return
        own = self._verification.inspect(replace(self._received, update=update))
        before = tuple(pair for pair in self._inspection.findings if pair[0].before_training)
        self._failed += bool(own.fired("fail")) and not self._inspection.fired("fail")
        self._inspection = Inspection((*before, *own.findings))
        self._verification.act_on(own)

    @property
    def tables(self) -> tuple[Table, ...]:
        """What every check said of the latest model; empty where none was checked."""
        if not self._inspection.findings:
            return ()
        models = "one model" if self._models == 1 else f"{self._models} models, of which this is the latest"
        failed = f"; {self._failed} of them failed a check" if self._failed else ""
        note = f"The client received {models}{failed}. What passes all checks can still be tampered with."
        return (self._inspection.table(TITLE, note),)

    def telling(self, step: Step) -> Step:
        """The step of an attack with the tables of the checks behind its own; the same object while nothing is new."""
        if not self._inspection.findings:
            return step
        if self._told is None or self._told[0] is not step.tables or self._told[1] is not self._inspection:
            self._told = (step.tables, self._inspection, (*step.tables, *self.tables))
        return replace(step, tables=self._told[2])
