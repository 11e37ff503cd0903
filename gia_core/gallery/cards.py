"""Every card of the gallery. To add one: write it here, then ``python -m gia_core gallery record NAME``."""

from __future__ import annotations

from ..aggregation import SecureAggregation
from ..attacks import APRIL, GGL, GIAS, GIML, InvertingGradients, LinearLeak, RobbingTheFed
from ..clients import FedAvg
from ..datasets import Digits
from ..defenses import DPSGD, Pruning, Soteria
from ..models import MLP, LeNet, ViT
from ..spec import AuditSpec, Knowledge, Victim
from ..titles import plural
from .card import Card, Take

CAT = Victim(label=1)
"""The cat among the photographs; no card needs a person's face where one picture will do."""
SEVEN = Victim(label=7)
DIFFERENT = Victim(labels="different")
AMONG_OTHERS = Victim(indices=(1,))
"""A cat for the audited client, and any photographs for the others."""

SEARCH = InvertingGradients()
SMOOTH = InvertingGradients(tv_weight=0.03)
"""Where the update is noisy, a picture's smoothness has to tell more."""
PATIENT = InvertingGradients(iterations=4000, tv_weight=0.1, sign="hard", schedule="step")
"""For networks with corners: only the sign of each slope counts, and smooth pictures are preferred more."""
ADAPTIVE = Knowledge(defense=True)
SMALL = "photographs of 32 × 32 pixels on a LeNet as initialized"
"""The setting of most cards."""
BUDGET = "{0.iterations} iterations of one attack (Inverting Gradients)"


def searched(**parts: object) -> AuditSpec:
    """The cat, searched by the attack that most cards use."""
    return AuditSpec.model_validate({"victim": CAT, "attack": SEARCH, **parts})


CARDS: tuple[Card, ...] = (
    Card(
        name="photo",
        question="Can one gradient give away my photo?",
        icon=":material/photo_camera:",
        look_for="Watch noise turn into the private photo, pixel by pixel: the gradient alone was enough.",
        answer="Yes: one gradient was enough to get the photo back at {0.psnr}; the best blind guess has {0.guess}.",
        condition="In this setting: one photograph of 32 × 32 pixels on a LeNet as initialized, found after "
        "{0.iterations} iterations of iDLG.",
        takes=(Take("recovered", AuditSpec(victim=CAT)),),
    ),
    Card(
        name="batch",
        question="Does a bigger batch hide me?",
        icon=":material/groups:",
        look_for="Eight photos share one gradient: watch which of them you still recognize, and how close they get.",
        answer="Only some: alone the photo comes back at {0.psnr}; of eight that share a gradient, {1.recovered} still "
        "come back, the closest at {1.highest}.",
        condition=f"In this setting: {SMALL}, labels known, within {BUDGET}.",
        takes=(
            Take("one photo", searched(attack=InvertingGradients(iterations=3000), knowledge=Knowledge(labels=True))),
            Take(
                "eight photos",
                searched(
                    batch_size=8,
                    victim=DIFFERENT,
                    attack=InvertingGradients(iterations=3000),
                    knowledge=Knowledge(labels=True),
                ),
            ),
        ),
    ),
    Card(
        name="pruning",
        question="Does pruning protect?",
        icon=":material/content_cut:",
        look_for="Nine tenths of the gradient are thrown away: watch what is left for an attacker who knows that.",
        answer="Not against an attacker who knows of it: then the photo comes back at {1.psnr}, above the best blind "
        "guess of {1.guess}; one who does not know reaches {0.psnr}.",
        condition=f"In this setting: {SMALL}, the largest tenth of the gradient is sent, within {BUDGET}.",
        takes=(
            Take("attacker unaware", searched(defenses=(Pruning(ratio=0.9),))),
            Take("attacker knows", searched(defenses=(Pruning(ratio=0.9),), knowledge=ADAPTIVE)),
        ),
    ),
    Card(
        name="relu",
        question="What about ReLU instead of sigmoid?",
        icon=":material/show_chart:",
        look_for="The same attack on the same photo: watch it stall where the network has corners, and a patient one "
        "that does not.",
        answer="The same attack then fails: {0.psnr} with sigmoid, {1.psnr} with ReLU. A patient attacker gets the "
        "photo back all the same, at {2.psnr}; the best blind guess has {1.guess}.",
        condition=f"In this setting: {SMALL}, attacked by iDLG, whose search needs second derivatives, which ReLU "
        "hardly has; the patient attacker uses Inverting Gradients for {2.iterations} iterations.",
        takes=(
            Take("sigmoid", AuditSpec(victim=CAT)),
            Take("ReLU", AuditSpec(victim=CAT, model=LeNet(activation="relu"))),
            Take("ReLU, patient attacker", searched(model=LeNet(activation="relu"), attack=PATIENT)),
        ),
    ),
    Card(
        name="trained",
        question="Does it still work at a later epoch?",
        icon=":material/school:",
        look_for="The same photo in the first round and after training: watch how much less its gradient tells.",
        answer="Less and less: {0.psnr} before training, {1.psnr} after 10 epochs, {2.psnr} after 50; the best blind "
        "guess reaches {0.guess}.",
        condition=f"In this setting: {SMALL}, then trained, within {BUDGET}. Everyone's first rounds are early ones.",
        takes=tuple(Take(f"{epochs} epochs", searched(model=LeNet(training=epochs))) for epochs in (0, 10, 50)),
    ),
    Card(
        name="local-steps",
        question="Does FedAvg with several local steps protect?",
        icon=":material/footprint:",
        look_for="Four steps hide behind one update: watch who can undo them, and who cannot.",
        answer="Only from an attacker who does not know them: {0.psnr} after one step, {1.psnr} after four that the "
        "attacker knows, {2.psnr} after four that it has to guess, no more than a blind guess ({2.guess}).",
        condition=f"In this setting: {SMALL}, learning rate 0.01, label known, within {BUDGET}.",
        takes=(
            Take("one step", searched(knowledge=Knowledge(labels=True))),
            Take(
                "four, known",
                searched(client=FedAvg(local_epochs=4, local_lr=0.01), knowledge=Knowledge(labels=True)),
            ),
            Take(
                "four, guessed",
                searched(
                    client=FedAvg(local_epochs=4, local_lr=0.01),
                    knowledge=Knowledge(labels=True, local_training="guessed"),
                ),
            ),
        ),
    ),
    Card(
        name="secure-aggregation",
        question="What about secure aggregation with 10 users?",
        icon=":material/lock:",
        look_for="The server sees only the sum of ten updates: watch how many photos are still in it.",
        answer="The sum protects as a batch of 10 does: {1.recovered} of 10 photos still come back, the closest at "
        "{1.highest}; a server that sends the others a dead model gets the audited photo at {2.psnr}, as without it.",
        condition=f"In this setting: {SMALL}, labels known, within {BUDGET}. Keys bound to the model prevent the last.",
        takes=(
            Take("no protection", searched(clients=10, victim=AMONG_OTHERS, knowledge=Knowledge(labels=True))),
            Take(
                "sum of 10",
                searched(
                    clients=10,
                    victim=AMONG_OTHERS,
                    aggregation=SecureAggregation(bind_model=False),
                    knowledge=Knowledge(labels=True),
                ),
            ),
            Take(
                "dead models",
                searched(
                    clients=10,
                    victim=AMONG_OTHERS,
                    aggregation=SecureAggregation(bind_model=False),
                    knowledge=Knowledge(labels=True, malicious_server=True, dead_models=True),
                ),
            ),
        ),
    ),
    Card(
        name="epsilon",
        question="What does epsilon mean here?",
        icon=":material/blur_on:",
        look_for="More and more noise on the same gradient: watch when the attack gives up, and look at epsilon then.",
        answer="A bound for every attacker, not what this one finds: without noise {0.psnr}; it fails at epsilon 2.1 "
        "({2.psnr}), but also at 5 million ({1.psnr}), which promises nothing.",
        condition=f"In this setting: {SMALL}, DP-SGD with noise 0.01 or 1 at clip 1, counted over 1,000 "
        f"steps of 1 % of the data at delta 1e-5, the defense known, within {BUDGET}.",
        takes=(
            Take("no noise", searched(attack=SMOOTH)),
            Take("ε 5 million", searched(attack=SMOOTH, defenses=(DPSGD(noise_multiplier=0.01),), knowledge=ADAPTIVE)),
            Take("ε 2.1", searched(attack=SMOOTH, defenses=(DPSGD(),), knowledge=ADAPTIVE)),
        ),
    ),
    Card(
        name="dishonest-server",
        question="What if the server is dishonest?",
        icon=":material/gpp_bad:",
        look_for="The server sends a model that sorts photos into bins: one update of 64 photos is read like a list.",
        answer="Then a big batch hides hardly anybody: {0.recovered} of {0.images} photos are read off one update, the "
        "closest at {0.highest}.",
        condition="In this setting: a layer of 256 bins in front of a LeNet (Robbing the Fed), which a client that "
        "checks the model can find; other photographs of the same kind are known.",
        takes=(
            Take(
                "64 at once",
                AuditSpec(
                    batch_size=64,
                    attack=RobbingTheFed(),
                    knowledge=Knowledge(public_data=True, malicious_server=True),
                ),
            ),
        ),
    ),
    Card(
        name="one-layer",
        question="What if I encrypt all but one layer?",
        icon=":material/layers:",
        look_for="One division, no search: weight gradients over bias gradients of the first layer are the photo.",
        answer="The first layer of a fully connected network is enough: the photo is read off it exactly, at {0.psnr}, "
        "without any search.",
        condition="In this setting: one photograph on a multilayer perceptron; the attack uses no other layer.",
        takes=(Take("first layer", AuditSpec(victim=CAT, model=MLP(), attack=LinearLeak())),),
    ),
    Card(
        name="vit",
        question="What about a vision transformer (ViT)?",
        icon=":material/grid_view:",
        look_for="Another closed form: the gradient of the position embedding gives the patches away.",
        answer="It leaks at once: the photo is computed from its gradient at {0.psnr}, without any search.",
        condition="In this setting: one photograph of 32 × 32 pixels on a small ViT with trainable position embedding "
        "(APRIL).",
        takes=(Take("computed", AuditSpec(victim=CAT, model=ViT(), attack=APRIL())),),
    ),
    Card(
        name="known-defense",
        question="Which defense stops it?",
        icon=":material/shield_question:",
        look_for="Soteria hides what one layer tells of the photo: watch the attacker who leaves that layer out.",
        answer="None that the attacker only has to know: against Soteria, an unaware one reaches {0.psnr}, and one who "
        "knows of it {1.psnr}.",
        condition=f"In this setting: {SMALL}, 70 % of the representation withheld, within {BUDGET}.",
        takes=(
            Take("attacker unaware", searched(defenses=(Soteria(),))),
            Take("attacker knows", searched(defenses=(Soteria(),), knowledge=ADAPTIVE)),
        ),
    ),
    Card(
        name="prior",
        question="Does knowing other digits help the attacker?",
        icon=":material/auto_awesome:",
        look_for="The same gradient twice: once pixels are searched, once only what a generator of digits can draw.",
        answer="Yes: with a generator trained on other digits the four come back at {1.psnr} on average, without it at "
        "{0.psnr}.",
        condition="In this setting: four digits of 32 × 32 pixels on a LeNet as initialized, labels known, within "
        "{0.iterations} iterations each.",
        takes=(
            Take(
                "no generator",
                searched(dataset=Digits(), batch_size=4, victim=DIFFERENT, knowledge=Knowledge(labels=True)),
            ),
            Take(
                "with generator",
                searched(
                    dataset=Digits(),
                    batch_size=4,
                    victim=DIFFERENT,
                    attack=GIAS(),
                    knowledge=Knowledge(labels=True),
                ),
            ),
        ),
    ),
    Card(
        name="plausible",
        question="Is this my photo or just a plausible one?",
        icon=":material/fingerprint:",
        look_for="A generator always draws something: the second run got random numbers in place of the gradient.",
        answer="Hold it against its control: {0.psnr} from the gradient, {1.psnr} from random numbers, so here the "
        "likeness was in the gradient.",
        condition="In this setting: one digit of 32 × 32 pixels on a LeNet as initialized, within {0.iterations} "
        "generations of GGL.",
        takes=(
            Take("from gradient", AuditSpec(dataset=Digits(), victim=SEVEN, attack=GGL(iterations=300))),
            Take(
                "from noise",
                AuditSpec(dataset=Digits(), victim=SEVEN, attack=GGL(iterations=300), control="random-update"),
            ),
        ),
    ),
    Card(
        name="learned-prior",
        question="Can the attacker learn the prior from gradients alone?",
        icon=":material/neurology:",
        look_for="No picture is ever seen: watch the digits sharpen as a generator learns from others' gradients.",
        answer="Yes: after one round of other clients' gradients a generator draws the four private digits at "
        "{0.psnr}, after eight rounds at {1.psnr}.",
        condition="In this setting: digits of 32 × 32 pixels on a LeNet as initialized, labels known, in each round "
        "updates of single images of four other clients; both runs search the private digits for 200 iterations "
        "(GIML), and the generator adapts to none of them.",
        takes=tuple(
            Take(
                plural(rounds, "round"),
                searched(
                    dataset=Digits(),
                    batch_size=4,
                    victim=DIFFERENT,
                    attack=GIML(rounds=rounds, private_iterations=200 // rounds, final_iterations=0),
                    knowledge=Knowledge(labels=True, single_updates=True),
                ),
            )
            for rounds in (1, 8)
        ),
    ),
)
