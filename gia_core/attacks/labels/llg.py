from __future__ import annotations

import torch
from torch import Tensor

from .evidence import Evidence, answers
from .restored import RestoredLabels, from_estimate

NOTE = "a class's row of the weight gradient has a sum that each of its images lowers by about the same amount. "
GUESSED = "That amount is read off the gradient itself."
MEASURED = "That amount, and the sum without such images, are measured on dummy images."


def restore(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """LLG: images are dealt out until no class's row sum is left unexplained (Wainakh et al., PETS 2022, section 4.2).

    The impact of one image is the sum of the negative row sums over B, times 1 + 1/K. Needs features of positive sum.
    """
    sums = evidence.weight.sum(dim=1)
    impact = sums[sums < 0].sum() / evidence.batch_size * (1 + 1 / len(sums))
    note = NOTE + GUESSED + answers(evidence.seen, rng).caution()
    return two_stages("llg", sums, impact, torch.zeros_like(sums), evidence.batch_size, note)


def restore_star(evidence: Evidence, rng: torch.Generator) -> RestoredLabels:
    """LLG*: the same with impact and offset measured on the known model (Wainakh et al., PETS 2022, section 4.3).

    The paper averages gradients of dummy batches with and without a class. Labels change a row sum only through
    1[label = i], so the average is known without computing them: the impact is the mean feature sum over −B, the offset
    of class i the mean of p_i times the feature sum.
    """
    found = answers(evidence.seen, rng)
    sums = found.features.sum(dim=1)
    impact, offset = -sums.mean() / evidence.batch_size, (found.probabilities * sums[:, None]).mean(dim=0)
    note = NOTE + MEASURED + found.caution()
    return two_stages("llg-star", evidence.weight.sum(dim=1), impact, offset, evidence.batch_size, note)


def two_stages(rule: str, sums: Tensor, impact: Tensor, offset: Tensor, batch_size: int, note: str) -> RestoredLabels:
    """First one image for every class that an impact of this sign has moved, then one by one to what is left over.

    In units of the impact: what a class lacks is (sum − offset) / impact minus the images that it was given. A public
    implementation subtracts every later image from the class of an earlier one; here each counts where it went.
    """
    if not impact:
        return from_estimate(rule, torch.zeros_like(sums), batch_size, note)
    estimate = (sums - offset) / impact
    return from_estimate(rule, estimate, batch_size, note, at_least=(sums / impact > 0).to(sums))
