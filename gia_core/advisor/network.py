"""Stage 1 of the rubric: what the network gives away by its design."""

from __future__ import annotations

from . import changes, sources
from .architecture import first_layer, hidden_weights
from .formal import private_defense
from .rules import Rule, Setup, Severity, Stage

SMALL_SIDE = 32
"""Pixels a side up to which images count as small."""
MANY_WEIGHTS = 100_000


def has_batch_norm(setup: Setup) -> bool:
    return getattr(setup.spec.model, "normalization", None) == "batch"


def starts_linear(setup: Setup) -> bool:
    return first_layer(setup.spec.model, setup.spec.dataset.image_shape).is_linear


def front_determines_the_input(setup: Setup) -> bool:
    """Whether a convolution at the front has as many weights, so gradient entries, as the batch has numbers."""
    layer = first_layer(setup.spec.model, setup.spec.dataset.image_shape)
    return not layer.is_linear and 0 < layer.inputs * setup.images <= layer.weights


def is_over_determined(setup: Setup) -> bool:
    """Whether there is far more to match than to find, and no noise that makes up for it."""
    shape = setup.spec.dataset.image_shape
    far_more = max(shape[1:]) <= SMALL_SIDE and hidden_weights(setup.spec.model, shape) >= MANY_WEIGHTS
    return far_more and private_defense(setup.spec) is None


NETWORK = (
    Rule(
        "N1",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: s.spec.model.activation in ("sigmoid", "tanh"),
        finding="The activations are sigmoid or tanh: smooth and easy to undo, which many attacks live on.",
        recommendation="Use ReLU or GELU, and measure whether that helps your network.",
        source=f"{sources.SURVEY}, first stage; {sources.DLG}",
        change=changes.relu,
    ),
    Rule(
        "N2",
        Stage.NETWORK,
        Severity.CRITICAL,
        applies=lambda s: starts_linear(s) and s.images == 1,
        finding="The first layer is fully connected with a bias: one division of its gradient gives the image exactly.",
        recommendation="Begin with a convolution and a normalization without bias, or do not share this layer's "
        "gradient.",
        source="Phong et al., IEEE TIFS 2018",
        change=changes.convolutions_first,
    ),
    Rule(
        "N2",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: starts_linear(s) and s.images > 1,
        finding="The first layer is fully connected with a bias: every unit that only one image activates gives that "
        "image away exactly.",
        recommendation="Begin with a convolution and a normalization without bias, or do not share this layer's "
        "gradient.",
        source="Phong et al., IEEE TIFS 2018",
        change=changes.convolutions_first,
    ),
    Rule(
        "N3",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: has_batch_norm(s) and s.spec.knowledge.batch_norm == "exact",
        finding="BatchNorm statistics are shared: they are the exact mean and variance of the private batch, and their "
        "counter tells the number of local steps.",
        recommendation="Use GroupNorm, or keep the statistics and the counter on the client (FedBN).",
        source="Yin et al., CVPR 2021; Li et al., ICLR 2021 (FedBN)",
        change=changes.group_norm,
        costs="Statistics that stay private are different on every client, and so is the model.",
    ),
    Rule(
        "N4",
        Stage.NETWORK,
        Severity.MEDIUM,
        applies=lambda s: has_batch_norm(s) and getattr(s.spec.model, "mode", None) == "eval",
        finding="BatchNorm runs in eval mode: the attacker knows its statistics, and no image depends on another. "
        "This is the easiest case for an attack.",
        recommendation="Let clients compute in train mode; audit both, since this case is the upper bound.",
        source=sources.EVALUATED,
        change=changes.train_mode,
    ),
    Rule(
        "N5",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: s.deployment.shallow_wide_residual,
        finding="The network is shallow and wide, with shortcuts and normalization before the activation: the "
        "combination that attacks need in train mode.",
        recommendation="Normalize after the layers, and take a deeper and narrower network.",
        source="arXiv 2508.19819",
    ),
    Rule(
        "N6",
        Stage.NETWORK,
        Severity.MEDIUM,
        applies=front_determines_the_input,
        finding="The first convolution has at least as many weights as the batch has numbers: its gradient is enough "
        "to solve for the input.",
        recommendation="Take a larger stride or fewer channels in the first layer, or a larger batch.",
        source="Zhu and Blaschko, ICLR 2021, rank analysis",
        change=changes.large_batch,
    ),
    Rule(
        "N7",
        Stage.NETWORK,
        Severity.MEDIUM,
        applies=is_over_determined,
        finding="Small images meet a network of more than 100,000 weights: the gradient says far more than there is to "
        "find out.",
        recommendation="Enlarge the batch, and add clipping and noise.",
        source=sources.OURS,
        change=lambda spec: changes.differential_privacy(changes.large_batch(spec)),
    ),
    Rule(
        "N8",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: s.spec.model.name == "vit",
        finding="The gradient of the learned positions is shared: in some transformers the patches follow from it by "
        "solving linear equations.",
        recommendation="Freeze the positions, or leave their gradient out of the update.",
        source="Lu et al., CVPR 2022",
    ),
    Rule(
        "N8",
        Stage.NETWORK,
        Severity.HIGH,
        applies=lambda s: s.deployment.learned_embeddings,
        finding="The gradient of an embedding table is shared: the rows that are not zero name the words or categories "
        "in the batch.",
        recommendation="Freeze the table, or leave its gradient out of the update.",
        source="Gupta et al., NeurIPS 2022; Fowl et al., ICLR 2023",
    ),
    Rule(
        "N9",
        Stage.NETWORK,
        Severity.LOW,
        applies=lambda s: s.deployment.dropout_as_defense,
        finding="Dropout is no protection: an attack that also searches for the dropped units gets around it.",
        recommendation="Do not count it as a defense.",
        source="Scheliga et al., AAAI 2023",
    ),
    Rule(
        "N10",
        Stage.NETWORK,
        Severity.MEDIUM,
        applies=lambda s: s.deployment.adapters_only,
        finding="Only adapters are shared, but small images can be found from their gradients too.",
        recommendation="Take a larger network behind the adapters, and a larger batch.",
        source=f"{sources.SURVEY}, experiments with LoRA",
        change=changes.large_batch,
    ),
    Rule(
        "N11",
        Stage.NETWORK,
        Severity.MEDIUM,
        applies=lambda s: s.spec.model.training == 0,
        finding="The network is untrained: at the start of training gradients give away the most.",
        recommendation="Begin with public weights, and add more noise in early rounds.",
        source=sources.ADAPTIVE,
        change=changes.pretrained,
    ),
)
"""In the order of the rubric."""
