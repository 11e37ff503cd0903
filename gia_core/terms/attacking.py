"""How an update is attacked, and how what came back is judged, in words."""

from __future__ import annotations

from .term import term

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
    term("Dummy", "The attacker's made-up picture, changed again and again until its gradient fits."),
    term(
        "Learning rate",
        "How far one step goes. Small steps are slow, large ones overshoot.",
        "The factor before the direction of the optimizer, of the attacker's search or of the client's training.",
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
        "not be read. For attacks that let a generator draw, which always paint something plausible. A second control "
        "attacks the negatives of the same pictures, which the generator has never learned to paint.",
    ),
    term(
        "Saturated",
        "The attack is no better than a guess that looks at no update, so it cannot tell what makes it harder.",
        "An RMSE of at least 0.95 times that of the best of: the mean training image, another image, mid-gray.",
    ),
    term(
        "Square-root law",
        "More pixels have more room for errors: if each stays as wrong as before, four times as many pixels make the "
        "whole twice as wrong. Guesses follow this law too, so that an attack follows it shows nothing.",
        "‖x̂ − x*‖₂ ∝ √(B·C·H·W), the survey's Theorem 1 (Guo et al., arXiv 2503.11514), which is a constant RMSE.",
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
