"""Federated learning and the networks that are learned, in words."""

from __future__ import annotations

from .term import term

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
    term(
        "Recording",
        "A run that comes with GIA Lab: it plays at once, without computing anything.",
        "Measured with this code on one machine; its spec and its provenance come with it, and it can be run again.",
    ),
    term(
        "Sweep",
        "Many runs from one setup that differ in one or two things, so that a trend shows.",
        "A grid of values times images and seeds; a cell tells its median and its worst case.",
    ),
    term("Setup", "Everything that decides a result, as one value: the same setup gives the same numbers."),
    term(
        "Seed",
        "A number that decides every random choice, so that a run can be repeated exactly.",
        "It feeds one generator for each purpose: images, weights, noise, and the attack's start.",
    ),
    term("Provenance", "With which versions and on which kind of machine a run was carried out."),
)

NETWORKS = (
    term(
        "Neuron",
        "The smallest part of a network: it multiplies every number that comes in with a weight of its own, adds them "
        "up, and adds one more number, the bias.",
        "z = w·x + b. For every loss L, dL/dw = dL/dz · x and dL/db = dL/dz, so their ratio is the input x.",
    ),
    term("Epoch", "One pass through all the pictures of a data set."),
    term(
        "Activation",
        "The simple curve through which every number inside a network goes. Smooth ones are easier to invert.",
        "ReLU is zero for negative inputs and has no second derivative, which searches with L-BFGS miss; sigmoid and "
        "tanh are smooth and invertible.",
    ),
    term("Convolution", "A layer that looks at small patches of a picture, everywhere with the same weights."),
    term("Filter", "One set of weights of a convolution: what it looks for in every patch."),
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
