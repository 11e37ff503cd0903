"""The training of a prior as a run: told in chapters that the store keeps and the page draws."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path

from ..chronicle import Advanced, Began, Chapter, Ended
from ..models.training import Training
from ..provenance import provenance
from .spec import PriorSpec
from .training import Learned, Learning, learn


def tell(spec: PriorSpec, *, device: str, home: Path, stopped: Callable[[], bool]) -> Iterator[Training | Chapter]:
    """Training… (of the network that judges it), Began, Advanced…, Ended. Raises ValueError as ``learn`` does."""
    under_way = False
    for event in learn(spec, home=home, device=device, made_with=provenance(device), stopped=stopped):
        if isinstance(event, Training):
            yield event
            continue
        if not under_way:
            yield Began({"image_shape": spec.dataset.image_shape})
            under_way = True
        yield advanced(event) if isinstance(event, Learning) else ended(event)


def advanced(event: Learning) -> Advanced:
    look = event.look
    body = {
        "losses": event.losses,
        "frechet": None if look is None else look.frechet,
        "looked_at": None if look is None else look.step,
        "best": event.best,
    }
    return Advanced(event.step, event.steps, body, None if look is None else look.samples)


def ended(event: Learned) -> Ended:
    card = event.card
    body = {"frechet": card.frechet, "frechet_floor": card.frechet_floor, "best_step": card.steps}
    return Ended(card.stopped, body, event.look.samples)
