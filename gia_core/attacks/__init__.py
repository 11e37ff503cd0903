"""The catalog of attacks. To add one: write its file, add its name to the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .analytic.april import APRIL
from .analytic.cocktail_party import CocktailParty
from .analytic.fishing import Fishing
from .analytic.label_counts import LabelCounts
from .analytic.linear_leak import LinearLeak
from .analytic.r_gap import RGAP
from .analytic.robbing_the_fed import RobbingTheFed
from .analytic.trap_weights import TrapWeights
from .generative.ci_net import CINet
from .generative.deep_image_prior import DeepImagePrior
from .generative.ggl import GGL
from .generative.gias import GIAS
from .generative.giml import GIML
from .generative.learning_to_invert import LearningToInvert
from .optimization.cafe import CAFE
from .optimization.dlg import DLG
from .optimization.gradinversion import GradInversion
from .optimization.idlg import IDLG
from .optimization.inverting_gradients import InvertingGradients

Attack = Annotated[
    DLG
    | IDLG
    | InvertingGradients
    | GradInversion
    | CAFE
    | GIAS
    | GIML
    | GGL
    | CINet
    | DeepImagePrior
    | LearningToInvert
    | LinearLeak
    | RobbingTheFed
    | TrapWeights
    | RGAP
    | APRIL
    | CocktailParty
    | Fishing
    | LabelCounts,
    Field(discriminator="name"),
]
