"""The catalog of aggregations. To add one: write its file, add its name to the union."""

from __future__ import annotations

from typing import Annotated

from pydantic import Field

from .ckks import CKKS
from .fast_sec_agg import FastSecAgg
from .light_sec_agg import LightSecAgg
from .paillier import Paillier
from .plain_sum import PlainSum
from .secure_aggregation import SecureAggregation

Aggregation = Annotated[
    PlainSum | SecureAggregation | FastSecAgg | LightSecAgg | Paillier | CKKS, Field(discriminator="name")
]
