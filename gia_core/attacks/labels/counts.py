from __future__ import annotations

import torch

from .evidence import Evidence, answers
from .restored import RestoredLabels, from_estimate

NOTE = (
    "the number of images of a class is what its gradient says beyond the probability that the model gives it, which "
    "is measured on dummy images."
)


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """Counts from the mean gradient and the model's mean answer (Geng et al., 2021; Dimitrov et al., TMLR 2022).

    Published: n_i ≈ B (p̄_i − g_i / s̄) with the row sums g of the weight gradient, and the mean probabilities p̄ and mean
    feature sum s̄ of dummy images; for several local steps g is the mean over the steps, and p̄ and s̄ are averaged over
    the models between the one that was sent and the one that the client ended with. Where the classifier has a bias,
    its gradient stands in for g / s̄: it is the same mean without the features, so nothing has to be assumed of them.
    """
    found, batch_size = answers(evidence.seen, rng), evidence.batch_size
    note = NOTE
    if evidence.bias is None:
        pushed = evidence.weight.sum(dim=1) / found.features.sum(dim=1).mean()
        note += found.caution()
    else:
        pushed = evidence.bias
    estimate = batch_size * (found.probabilities.mean(dim=0) - pushed)
    return from_estimate("counts", estimate, batch_size, note, at_least=evidence.at_least())
