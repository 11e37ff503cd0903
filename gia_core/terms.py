"""What words mean here: plain for everyone, then precise for those who want to check. Components explain themselves."""

from __future__ import annotations

from typing import NamedTuple


class Term(NamedTuple):
    """One entry of the glossary."""

    name: str
    plain: str
    """For somebody who has never trained a network."""
    expert: str
    """For somebody who wants to know what exactly is meant or computed; may be empty."""
    anchor: str
    """What a link to it ends with: lower case, with hyphens."""


def term(name: str, plain: str, expert: str = "", *, anchor: str = "") -> Term:
    return Term(name, plain, expert, anchor or name.lower().replace(" ", "-"))


IDEAS = (
    term(
        "Federated learning",
        "Many participants train one model together without handing over their data: each computes on its own device "
        "and sends only changes of the model.",
        "In every round the server sends its model, each client computes an update on private data, and the server "
        "averages what comes back (McMahan et al., AISTATS 2017).",
    ),
    term(
        "Gradient",
        "The direction in which every number of the model should move so that it does better on the data it has just "
        "seen. It depends on that data, which is why it gives data away.",
        "The derivative of the mean loss over the batch by every parameter of the network.",
    ),
    term(
        "Update",
        "What a client sends: one number for every number of the model.",
        "The gradient (FedSGD) or the change of the weights after some local steps, new minus old (FedAvg), after all "
        "defenses.",
    ),
    term(
        "Gradient inversion",
        "Working backwards from an update to the pictures that it was computed from.",
        "Either a search for images whose simulated update matches the observed one, or solving for them in closed "
        "form; the survey by Guo et al. (TPAMI, arXiv 2503.11514) tells the families apart.",
    ),
    term(
        "Client",
        "One participant, with data of its own.",
        "The first one is audited; the others compute on images of their own, and may drop out or collude.",
    ),
    term("Server", "Who collects the updates and sends out the model; in an audit, the attacker."),
    term("Private batch", "The pictures that the audited client computes on: what the attacker is after."),
    term(
        "Batch size",
        "How many pictures share one update. More of them hide each other, up to a point.",
        "The gradient is a mean over the batch, so one picture's share of it shrinks as 1 / B.",
    ),
    term("Round", "One exchange: the server sends its model, clients send updates back."),
    term(
        "Local step",
        "One move of the model on the client's own device. After many of them an update mixes many gradients.",
        "A step of plain SGD on a local batch; an epoch has as many as there are local batches.",
    ),
    term("Run", "One audit or experiment, from its setup to its result; kept until you delete it."),
    term("Setup", "Everything that decides a result, as one value: the same setup gives the same numbers."),
    term(
        "Seed",
        "A number that decides every random choice, so that a run can be repeated exactly.",
        "It feeds one generator for each purpose: images, weights, noise, and the attack's start.",
    ),
    term("Provenance", "With which versions and on which kind of machine a run was carried out."),
)

NETWORKS = (
    term("Epoch", "One pass through all the pictures of a data set."),
    term(
        "Activation",
        "The simple curve through which every number inside a network goes. Smooth ones are easier to invert.",
        "ReLU is zero for negative inputs and has no second derivative, which searches with L-BFGS miss; sigmoid and "
        "tanh are smooth and invertible.",
    ),
    term("Convolution", "A layer that looks at small patches of a picture, everywhere with the same weights."),
    term(
        "Fully connected layer",
        "A layer in which every number depends on every pixel. If it comes first, it gives pictures away.",
        "For unit i, the gradient of its weights is the gradient of its bias times the input, summed over the batch.",
    ),
    term(
        "BatchNorm",
        "A layer that rescales numbers by their average over the batch, so that pictures influence each other. It "
        "remembers these averages.",
        "In train mode it uses the batch's mean and variance, in eval mode stored running averages (Ioffe and Szegedy, "
        "ICML 2015). Shared averages tell the batch's exactly after one step.",
    ),
    term(
        "GroupNorm",
        "A layer that rescales the numbers of each picture on its own and remembers nothing.",
        "Wu and He, ECCV 2018. Unlike BatchNorm it is compatible with differential privacy.",
    ),
    term("Train mode", "The network behaves as while learning: BatchNorm uses the private batch's own averages."),
    term("Eval mode", "The network behaves as in use: BatchNorm uses stored averages, which the attacker has too."),
    term("Pre-training", "How often the network went through training pictures before it is attacked."),
)

ATTACKS = (
    term(
        "Attacker knowledge",
        "What the attacker is granted beside the update. The more it knows, the stronger the audit.",
        "Every attack receives an observation that holds what the setup grants and nothing else; the truth is only "
        "met when scores are computed.",
    ),
    term("Honest but curious", "A server that follows the protocol and tries to learn what it can from what it sees."),
    term(
        "Malicious server",
        "A server that sends the client a model made to give data away.",
        "It chooses the weights, or even the architecture, and may ask again.",
    ),
    term(
        "Adaptive attacker",
        "An attacker who knows the defense and works around it: the only fair judge of a defense.",
        "It compares updates through the defense, as far as it can simulate it, or leaves out what was made useless.",
    ),
    term("Collusion", "Clients who help the server, by handing over what they hold."),
    term("Search", "An attack that tries out pictures until their update matches the one it saw."),
    term(
        "Generator",
        "A network that draws pictures. Attackers let it draw what they try out, so that all of it looks like one.",
        "A DCGAN or the decoder of a VAE; its codes are searched (GGL), then its weights (GIAS), or the weights alone.",
    ),
    term("Closed form", "An attack that computes the pictures by formulas, without trying."),
    term(
        "Gradient matching",
        "Changing a made-up picture until its gradient looks like the one that was seen.",
        "Minimizes a distance between both updates, L2 or one minus the cosine, plus priors, by gradient descent.",
    ),
    term("Iteration", "One small change of the attacker's picture. Not a local step, which is the client's."),
    term("Restart", "One more try from another random start; the best is kept."),
    term(
        "Loss",
        "What a search makes small: how badly its picture's update matches, and how unlikely the picture looks.",
        "A small loss does not prove a right picture: different batches may have nearly equal gradients.",
    ),
    term(
        "Prior",
        "What an attacker assumes of pictures in general, for instance that they are smooth.",
        "A term of the loss (total variation, BatchNorm statistics), or a generator whose output is searched.",
    ),
    term(
        "Total variation",
        "How much neighboring pixels differ. Attackers prefer little, since noise has much.",
        "The mean absolute difference of neighboring pixels.",
    ),
    term(
        "Label restoration",
        "Reading off which classes are in the batch before any picture is searched.",
        "The last layer's gradient has rows whose sign and size follow from how often each label occurs.",
    ),
    term("Budget", "How many iterations and restarts an attack had. A larger one may find more."),
    term(
        "Self-test",
        "Before attacking, the run checks that it would recognize the right answer.",
        "The update simulated at the true batch is compared with the observed one, under the attacker's own rule.",
    ),
)

JUDGING = (
    term("Original", "The private picture, shown so that you can compare. No attack ever sees it."),
    term("Reconstruction", "What the attack takes the private picture for: the best it has found so far."),
    term(
        "Recovered",
        "Close enough to its original that the literature calls it found, and closer than every blind guess.",
        "A PSNR of 19 dB or more (Dimitrov et al., TMLR 2022), and more than that of every blind guess.",
    ),
    term(
        "Blind guess",
        "A picture that is guessed without looking at any update. An attack that does no better has found nothing.",
        "Mid-gray, the picture's mean color, the mean training image, and another image of the data set.",
    ),
    term(
        "Control",
        "The same attack on random numbers in place of the update: what it paints all the same was not in the update.",
        "Normal noise with the Euclidean norm of each tensor of the update; the labels are granted, since they could "
        "not be read. For attacks that let a generator draw, which always paint something plausible.",
    ),
    term("Worst case", "The picture that came closest to its original. Privacy is about that one, not the average."),
    term("Upper bound", "What an attacker would find who knows more than a real one: the end of a scale, no forecast."),
    term(
        "Grade",
        "One word for what was measured of a setup. No published scale exists; this one is this project's own.",
        "By the strongest attack: critical from half of the images or one copy (30 dB), high from a tenth, medium from "
        "any image, an SSIM of 0.4 or labels found in 80 % of the batches, else low.",
    ),
    term(
        "Formal mechanism",
        "A protection with a proof, which holds against attacks that nobody has thought of yet.",
        "Differential privacy with a finite epsilon, or secure aggregation within its assumptions.",
    ),
    term(
        "No measurable protection",
        "What is said of a defense if an attacker who knows it finds about as much as without it.",
        "A paired sign test over images and seeds does not tell the defended from the undefended run.",
    ),
    term("Evidence", "A run of this installation that shows what a finding means, or what a recommendation comes to."),
    term("Severity", "How much a finding of the advisor matters: critical, high, medium, low or info."),
)

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

HAND_WRITTEN = {
    "The idea": IDEAS,
    "Networks": NETWORKS,
    "Attacking": ATTACKS,
    "Judging a result": JUDGING,
    "Protecting": DEFENSES,
}
"""Sections of the glossary, in order."""

FORMULAS = {
    "psnr": "−10 log10 of the mean squared error of pixels in [0, 1], at most 100.",
    "ssim": "Wang et al., IEEE TIP 2004, with a Gaussian window of 11 pixels and sigma 1.5; the mean over the image.",
    "mse": "The mean over all pixels and channels of the squared difference.",
    "lpips": "Zhang et al., CVPR 2018, AlexNet, version 0.1; images under 64 pixels are enlarged to 64.",
    "labels": "The overlap of the restored and the true label counts, divided by the batch size.",
}
"""How each metric is computed."""
