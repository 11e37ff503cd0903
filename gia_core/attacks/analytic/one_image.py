"""What the attacks share that solve the equations of a single image."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ...component import Condition

if TYPE_CHECKING:
    from ...types import Observation, Update


def one_gradient(title: str) -> Condition:
    """That the client takes a single step."""
    because = (
        f"{title} solves the equations of one gradient, and several local steps are not one; set the client's local "
        "epochs to 1."
    )
    return Condition("client.local_epochs", (1,), because)


def gradient_of_one_image(title: str, seen: Observation) -> Update:
    """Raises ValueError where the batch has several images, or the update is not finite."""
    if seen.batch_size != 1:
        raise ValueError(f"{title} solves for a single image; set the batch size to 1.")
    gradient = seen.rule.mean_gradient(seen.rounds[0].update, 1)
    if not all(bool(part.isfinite().all()) for part in gradient):
        raise ValueError(f"{title} can make no equations of this update: it holds numbers that are not finite.")
    return gradient
