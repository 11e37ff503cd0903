"""What a run can carry out: an audit, or an experiment of another kind that goes through the same store and runner."""

from __future__ import annotations

from typing import TYPE_CHECKING, Any, TypeAlias

from pydantic_core import from_json

from .priors import PriorSpec
from .spec import AuditSpec
from .utility import UtilitySpec

if TYPE_CHECKING:
    from collections.abc import Mapping

Job: TypeAlias = AuditSpec | PriorSpec | UtilitySpec
"""One member per kind. Every kind has a ``dataset`` and a ``seed``, and ``objections(home)``."""

AUDIT = "audit"
KINDS: dict[str, type[Job]] = {AUDIT: AuditSpec, "prior": PriorSpec, "utility": UtilitySpec}
"""By the ``kind`` field of the job; audits were there first and have none."""


def kind_of(job: Job) -> str:
    """The key of the job in ``KINDS``."""
    return getattr(job, "kind", AUDIT)


def read(text: str | bytes) -> Job:
    """A job from its JSON. Raises ValidationError where a field is wrong, and ValueError where the text is no job."""
    try:
        found: Mapping[str, Any] = from_json(text)
    except ValueError:
        found = {}  # whatever kind was meant, what is wrong with the text is told in the same words
    kind = found.get("kind", AUDIT) if isinstance(found, dict) else AUDIT
    if not isinstance(kind, str) or kind not in KINDS:
        raise ValueError(f"kind: there is no {kind}; choose one of {', '.join(KINDS)}")
    return KINDS[kind].model_validate_json(text)
