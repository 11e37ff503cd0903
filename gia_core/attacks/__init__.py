"""The catalog of attacks. To add one: write its file, add its name to the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .optimization.dlg import DLG
from .optimization.idlg import IDLG
from .optimization.inverting_gradients import InvertingGradients

Attack = Annotated[DLG | IDLG | InvertingGradients, Field(discriminator="name")]
