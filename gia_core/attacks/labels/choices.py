"""Which label rules there are, and what each cannot do without. Without torch: forms and specs read this."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import Field

Rule = Literal["idlg", "bias-sign", "yin", "llg", "llg-star", "bias-corrected", "counts", "ilrg"]
"""Each in the file of its name, LLG* in that of LLG."""

LabelStrategy = Literal["auto", "known", Rule, "joint"]
"""known: granted by the threat model. joint: searched together with the images. auto: the labels where they are
granted, else the best rule that applies, else joint."""

RULES_EXPLAINED = (
    "The other choices are rules that read the labels off the update of the last layer: idlg for one image; bias-sign "
    "and yin where all labels are different; llg, llg-star, bias-corrected and ilrg for any labels and one local step; "
    "counts for any labels and several local steps, too."
)

SearchedLabels = Annotated[
    LabelStrategy,
    Field(
        description='How the labels are found: granted ("known"), searched together with the images ("joint"), or by '
        f'the first that is possible of known, the rule that suits the setting, and joint ("auto"). {RULES_EXPLAINED}'
    ),
]

ReadLabels = Annotated[
    Literal["auto", "known", Rule],
    Field(
        description='How the labels are found: granted ("known"), or else by the rule that suits the setting '
        f'("auto"). {RULES_EXPLAINED}'
    ),
]

SINGLE_GRADIENT = ("bias-sign", "yin", "llg", "llg-star", "bias-corrected", "ilrg")
"""Rules that read one gradient, and would misread the sum over several local steps on different weights."""
ALL_DIFFERENT = ("bias-sign", "yin")
"""Rules that find every class at most once."""
WITHOUT_BIAS = ("cnn6",)
"""Models whose classifier has no bias."""
OF_THE_BIAS = ("bias-sign", "bias-corrected", "ilrg")
"""Rules that need the gradient of the classifier's bias."""


def objection(
    strategy: str,
    *,
    batch_size: int,
    granted: bool,
    classes: int | None = None,
    bias: bool = True,
    local_steps: int = 1,
    all_take_part: bool = True,
) -> str | None:
    """Why ``strategy`` does not work in this setting, in one sentence that says what to choose instead, or None.

    ``classes`` K, None where it is not known yet; ``bias`` whether the classifier has one; ``local_steps`` gradients
    that the client takes in a row; ``all_take_part`` whether the first update comes from the whole batch.
    """
    if strategy in ("auto", "joint"):
        return None
    if strategy == "known":
        return None if granted else "The labels are set to known, but the attacker is not granted them; grant them."
    if not all_take_part:
        return "Label rules need an update of the whole batch, but only some images take part in a round; grant labels."
    if strategy == "idlg" and batch_size > 1:
        return "The label rule idlg reads the label of one image; choose counts or ilrg, or set the batch size to 1."
    if strategy in OF_THE_BIAS and not bias:
        return f"The label rule {strategy} reads the classifier's bias, and this model has none; choose counts or llg."
    if strategy in SINGLE_GRADIENT and local_steps > 1 and batch_size > 1:
        return (
            f"The label rule {strategy} reads a single gradient, but this client takes {local_steps} local steps; "
            "choose counts."
        )
    if strategy in ALL_DIFFERENT and classes is not None and batch_size > classes:
        return (
            f"The label rule {strategy} takes all labels for different, but {batch_size} images cannot have different "
            f"labels out of {classes}; choose counts or ilrg."
        )
    return None
