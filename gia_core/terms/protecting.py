"""What protects an update, in words."""

from __future__ import annotations

from .term import term

DEFENSES = (
    term(
        "Defense",
        "What a client does to its data, its network or its update so that less can be read from it.",
        "A function from an update rule to an update rule; several are stacked in a checked order.",
    ),
    term("Perturbation", "Defenses that change the update: noise, clipping, pruning, fewer bits."),
    term("Encoding", "Defenses that disguise the pictures before the client computes on them."),
    term(
        "Differential privacy",
        "A promise with a proof: whatever is sent would have been about as likely without your picture.",
        "For neighbors D, D' and every set S: P(M(D) in S) ≤ exp(epsilon) P(M(D') in S) + delta (Dwork, 2006).",
    ),
    term(
        "Epsilon",
        "How much differential privacy promises: the smaller, the stronger. Up to 1 is strong, above 10 is little.",
        "Counted by Opacus' RDP and PRV accountants for the noise multiplier, the sample rate and the steps.",
    ),
    term("Delta", "How likely the promise may fail. One divided by the number of those it protects is too much."),
    term(
        "Noise multiplier",
        "How strong the noise is, compared with how much one picture may add.",
        "Standard deviation of the noise on the sum, divided by the clipping bound.",
    ),
    term(
        "Poisson sampling",
        "Everyone takes part in a step by a coin toss of their own; epsilon is counted for that.",
        "Each record is in the batch with probability q, independently; batches of a fixed size are not covered.",
    ),
    term(
        "Reconstruction bound",
        "A limit on how well anybody can tell which of some candidates was the private one.",
        "Hayes et al., NeurIPS 2023.",
    ),
    term("Cohort", "The clients whose updates are added up in one round."),
    term(
        "Threshold",
        "How many clients have to stay so that a sum can be unmasked; as many together could open one update.",
        "Of Shamir's secret sharing (1979).",
    ),
    term("Dropout of clients", "Clients that fall silent during a round; protocols survive a bounded number of them."),
    term(
        "Homomorphic encryption",
        "Encryption under which a server can add numbers that it cannot read.",
        "Paillier's is exact on integers, CKKS approximate on real numbers.",
    ),
    term(
        "Model inconsistency",
        "The server sends all clients but one a model that returns nothing, so the sum is the update of that one.",
        "Pasquini et al., CCS 2022; masks that are bound to a hash of the model prevent it.",
    ),
    term(
        "Client verification",
        "The client looks for signs of tampering in the model before it trains on it.",
        "Thirteen checks of weights, activations and the own update; some attacks are known to pass all of them.",
    ),
    term("Utility", "How well the model still learns with a defense: what protection costs."),
)
