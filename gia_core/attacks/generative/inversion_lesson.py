"""How a network learns to invert (Wu et al., UAI 2023, algorithm 1), and how it is found again."""

from __future__ import annotations

import copy
import hashlib
import math
from collections.abc import Generator, Iterator
from itertools import count, islice
from pathlib import Path
from typing import TYPE_CHECKING

import torch
from torch import Tensor, nn

from ...models import classifier
from ...models.layers import drawn_from
from ...models.training import shift
from ...models.weights import restore, store
from ...types import UNKNOWN, Batch, Observation, Rehearsal, Step, Table, Update
from ..inversion import only_step
from .inversion_network import InversionNetwork, Sketch
from .inversion_regressors import PENALTIES, Examples, descent, linear_maps, unordered_error

if TYPE_CHECKING:
    from .learning_to_invert import LearningToInvert

FORMAT = 1
"""Count up whenever the same attack would learn another network."""
HELD_BACK = 0.1
"""Share of the public images, and of the examples, that decides what was the best."""
EXAMPLES_PER_STEP = 50
MOST_KEPT = 20
"""Networks in the attacker's folder; those that were not used for longest make room."""


def learned(attack: LearningToInvert, seen: Observation, rehearsal: Rehearsal, rng: torch.Generator) -> Iterator[Step]:
    """Learn, or remember, what maps an update to its images, and show what that makes of the one observed.

    A network whose lesson was stopped is not kept.
    """
    network = untaught(attack, seen, rehearsal.model, rng)
    name = f"{fingerprint(attack, seen, rehearsal)}.safetensors"
    file = None if rehearsal.memory is None else rehearsal.memory / name
    if file is not None and restore(network, file):
        file.touch()
        images = network.inverted(rehearsal.model, observed(seen))
        yield only_step(seen, images, tables=(told(network, "It was remembered from an earlier run, not trained."),))
        return
    lesson = Lesson(attack, seen, rehearsal, network, rng)
    yield from lesson.steps()
    is_kept = file is not None and keep(network, file)
    kept = "is kept for other victims of this model" if is_kept else "could not be kept for other victims"
    yield lesson.step(told(network, f"It was trained in this run and {kept}."))


def untaught(attack: LearningToInvert, seen: Observation, model: nn.Module, rng: torch.Generator) -> InversionNetwork:
    """A network for updates of ``model`` that knows nothing yet."""
    length = sum(parameter.numel() for parameter in model.parameters())
    sketch = Sketch(length, attack.entries, signed=attack.hashing == "signed", rng=rng)
    head = classifier(model)
    features = head.in_features if attack.classifier_input and head.bias is not None else 0
    hidden = attack.width if attack.regressor == "mlp" else 0
    with drawn_from(rng):
        network = InversionNetwork(sketch, features, torch.Size((seen.batch_size, *seen.image_shape)), hidden=hidden)
    return network.to(seen.device)


class Lesson:
    """The attacker computes updates of images of its own, and a network learns from them."""

    def __init__(
        self,
        attack: LearningToInvert,
        seen: Observation,
        rehearsal: Rehearsal,
        network: InversionNetwork,
        rng: torch.Generator,
    ) -> None:
        self.attack, self.seen, self.rehearsal, self.network, self.rng = attack, seen, rehearsal, network, rng
        self.judging = math.ceil(HELD_BACK * attack.examples)
        self.learning = attack.examples - self.judging
        states = attack.epochs if attack.regressor == "mlp" else len(PENALTIES)
        self.iterations = self.judging // EXAMPLES_PER_STEP + self.learning // EXAMPLES_PER_STEP + states + 1
        self.iteration = 0
        self.images = rehearsal.public.images.mean(0).expand(seen.batch_size, *seen.image_shape)
        self.material = material(len(rehearsal.public.images), self.learning, self.judging)
        self.losses: dict[str, float] = {}
        self.best: dict[str, float] = {}

    def steps(self) -> Iterator[Step]:
        """One for every so many examples, then one for each state of the network, which ends up in its best."""
        public, model = self.rehearsal.public, self.rehearsal.model
        order = torch.randperm(len(public.images), generator=self.rng).to(self.seen.device)
        held_back = math.ceil(HELD_BACK * len(order))
        judging = yield from self.examples(public.only(order[:held_back]), self.judging)
        learning = yield from self.examples(public.only(order[held_back:]), self.learning)
        mean_image = learning.images.mean(dim=(0, 1)).expand_as(judging.images)
        of_mean_image = unordered_error(mean_image, judging.images).mean().item()
        self.network.adjust(learning.numbers)
        best = self.network.state_dict()
        for error in self.taught(learning):
            judged = error_on(self.network, judging)
            self.losses = {"examples": error, "held back": judged, "total": judged}
            if judged < self.best.get("total", math.inf):
                self.best, self.images = self.losses, self.network.inverted(model, observed(self.seen))
                self.network.errors.copy_(torch.tensor([judged, of_mean_image]))
                best = copy.deepcopy(self.network.state_dict())
            yield self.step()
        self.network.load_state_dict(best)

    def examples(self, public: Batch, count: int) -> Generator[Step, None, Examples]:
        """``count`` updates of these images. Raises ValueError where the model's updates are not finite."""
        numbers: list[Tensor] = []
        images: list[Tensor] = []
        for batch in islice(batches(public, self.seen.batch_size, self.rng), count):
            update, behind = self.rehearsal.update_of(batch)
            gradient = self.seen.rule.mean_gradient(update, self.seen.batch_size)
            numbers.append(self.network.numbers(self.rehearsal.model, gradient))
            images.append(behind[by_label(batch)])
            if len(images) % EXAMPLES_PER_STEP == 0:
                yield self.step()
        found = Examples(torch.stack(numbers), torch.stack(images))
        if not found.numbers.isfinite().all():
            raise ValueError("The updates of public images are not finite, so nothing can be learned from them.")
        return found

    def taught(self, examples: Examples) -> Iterator[float]:
        """The error on the examples, whenever the network has reached another state."""
        if self.attack.regressor == "ridge":
            return linear_maps(self.network, examples)
        return descent(self.network, examples, epochs=self.attack.epochs, lr=self.attack.lr, rng=self.rng)

    def step(self, *tables: Table) -> Step:
        """What is found so far; the mean of the public images before anything is learned."""
        self.iteration += 1
        labels = torch.full((self.seen.batch_size,), UNKNOWN, device=self.seen.device)
        told = (self.material, *tables)
        return Step(self.iteration, self.iterations, self.losses, self.best, self.images, labels, tables=told)


def observed(seen: Observation) -> Update:
    """The first update, read as a mean gradient."""
    return seen.rule.mean_gradient(seen.rounds[0].update, seen.batch_size)


def by_label(batch: Batch) -> Tensor:
    """(B,) the order in which what the classifier received is told; of equal labels the brightest image first."""
    brightest = batch.images.mean(dim=(1, 2, 3)).argsort(descending=True)
    return brightest[batch.labels[brightest].argsort(stable=True)]


def batches(public: Batch, size: int, rng: torch.Generator) -> Iterator[Batch]:
    """Endless: every image takes part once before any takes part again, moved by some pixels then."""
    unused = torch.zeros(0, dtype=torch.long)
    for number in count(1):
        while len(unused) < size:
            unused = torch.cat([unused, torch.randperm(len(public.images), generator=rng)])
        chosen, unused = public.only(unused[:size].to(public.images.device)), unused[size:]
        is_new = number * size <= len(public.images)
        yield chosen if is_new else Batch(shift(chosen.images, rng), chosen.labels)


@torch.no_grad()
def error_on(network: InversionNetwork, examples: Examples) -> float:
    """Mean squared error under the best order of the images."""
    return unordered_error(network(examples.numbers), examples.images).mean().item()


def material(images: int, learning: int, judging: int) -> Table:
    """What there is to learn from."""
    rows = (("public images", images), ("batches to learn from", learning), ("batches held back to judge by", judging))
    note = (
        "The attacker computes the update of every batch, as the client would. Until it has learned from them, what is "
        "shown is the mean of the public images."
    )
    return Table("What the attacker learns from", ("What", "Number"), rows, note)


def told(network: InversionNetwork, origin: str) -> Table:
    """How good the network is, and where it comes from."""
    own, of_mean_image = (round(-10 * math.log10(max(error, 1e-10)), 1) for error in network.errors.tolist())
    note = f"{origin} Both guesses are judged on public images that it did not learn from, by their mean squared error."
    rows = (("the network", own), ("the mean of its images", of_mean_image))
    return Table("The attacker's network", ("Guess", "PSNR in dB"), rows, note)


def keep(network: InversionNetwork, file: Path) -> bool:
    """Whether there was room for it; those that were not used for longest make some."""
    try:
        store(network, file)
        by_age = sorted(file.parent.glob("*.safetensors"), key=lambda one: one.stat().st_mtime)
        for old in by_age[:-MOST_KEPT]:
            old.unlink(missing_ok=True)
    except OSError:
        return False
    return True


def fingerprint(attack: LearningToInvert, seen: Observation, rehearsal: Rehearsal) -> str:
    """Of all that decides what is learned, but for the chance with which the examples are drawn."""
    settings = f"{FORMAT} {attack.model_dump_json()} {seen.batch_size} {seen.image_shape} {rehearsal.description}"
    digest = hashlib.sha256(settings.encode())
    for tensor in (*rehearsal.model.state_dict().values(), rehearsal.public.images, rehearsal.public.labels):
        digest.update(tensor.detach().cpu().contiguous().numpy().tobytes())
    return digest.hexdigest()
