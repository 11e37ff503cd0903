"""Stage 3 of the rubric: what clients check of the model they receive."""

from __future__ import annotations

from collections.abc import Callable

from . import changes, sources
from .rules import Rule, Setup, Severity, Stage

SEER = "Garov et al., ICLR 2024"
IMPRINT = "Fowl et al., ICLR 2022"
TRAPS = "Boenisch et al., EuroS&P 2023"
FISHING = "Wen et al., ICML 2022"

FAILED = ("refuse", "strict")
UNUSUAL = ("strict",)
"""What a client does that does not train where a check fails, and where something is merely unusual."""


def trains_anyway(refusing: tuple[str, ...]) -> Callable[[Setup], bool]:
    """Whether a server may tamper with the model, and the client would not refuse."""
    return lambda setup: setup.spec.knowledge.malicious_server and setup.spec.verification.policy not in refusing


def sends_anyway(setup: Setup) -> bool:
    """Whether nobody looks into the client's own update before it leaves."""
    return trains_anyway(FAILED)(setup) or (
        setup.spec.knowledge.malicious_server and not setup.spec.verification.canary
    )


def check(id: str, finding: str, source: str) -> Rule:
    """A pattern that only tampering makes."""
    return Rule(
        id,
        Stage.VERIFICATION,
        Severity.HIGH,
        applies=trains_anyway(FAILED),
        finding=f"No client would refuse {finding}.",
        recommendation="Let clients check every model before they train on it, refuse what fails, keep what they "
        "received as evidence, and fall back on the last model that passed.",
        source=source,
        change=changes.verified,
        costs="Checks take time in every round, and a model that hides its tampering well passes all of them.",
    )


def hint(id: str, finding: str, source: str) -> Rule:
    """A pattern that tampering makes, and sometimes training."""
    return Rule(
        id,
        Stage.VERIFICATION,
        Severity.MEDIUM,
        applies=trains_anyway(UNUSUAL),
        finding=f"No client would refuse {finding}.",
        recommendation="Let clients refuse what is merely unusual, too, where they can afford a false alarm.",
        source=source,
        change=changes.strictly_verified,
        costs="Honest models that are well trained look unusual, too: expect refusals without a cause.",
    )


VERIFICATION = (
    check("V1", "a network with other layers than agreed, such as a block in front of it", IMPRINT),
    check("V2", "a layer whose rows are copies of each other", IMPRINT),
    check("V3", "a layer whose rows all point the same way", IMPRINT),
    check("V4", "biases that rise like the thresholds of bins", IMPRINT),
    check("V5", "weights that are balanced against each other row by row", TRAPS),
    hint("V6", "weights that are far larger or smaller than training makes them", sources.OURS),
    check("V7", "neurons that fire for a single image of the batch", TRAPS),
    check("V8", "a model for which one image outweighs all others in the gradient", SEER),
    check("V9", "first convolutions that pass single pixels on", SEER),
    check("V10", "a model for which all of the gradient comes from one class or layer", FISHING),
    check("V11", "a model that other clients do not get", sources.INCONSISTENT),
    hint("V12", "a model that moved much further than in the rounds before", sources.OURS),
    Rule(
        "V13",
        Stage.VERIFICATION,
        Severity.HIGH,
        applies=sends_anyway,
        finding="No client tries to read its own images off its update before it sends that.",
        recommendation="Let clients attack their own update in closed form first, and keep it if an image comes out.",
        source=sources.OURS,
        change=changes.verified,
        costs="A network that begins fully connected gives images away without any tampering, and is refused, too.",
    ),
    Rule(
        "V14",
        Stage.VERIFICATION,
        Severity.HIGH,
        applies=lambda s: s.deployment.no_reference_model,
        finding="Clients have nothing to compare with what they receive, so they cannot tell tampering from training.",
        recommendation="Agree on the architecture, and sign the first model.",
        source=f"{sources.SURVEY}, third stage",
    ),
    Rule(
        "V15",
        Stage.VERIFICATION,
        Severity.MEDIUM,
        applies=lambda s: s.spec.knowledge.malicious_server,
        finding="The server may ask the same client again with another model, and halve what is hidden each time.",
        recommendation="Answer once per round, limit the rate, and compare the models' hashes.",
        source=FISHING,
    ),
)
"""In the order of the rubric."""
