"""What the files of a bundle must look like, so that every page that reads them later finds what it expects."""

from __future__ import annotations

from typing import Annotated, Any, Literal, TypeAlias

from pydantic import Base64Bytes, BaseModel, BeforeValidator, ConfigDict, Field, field_validator

from .spec import MAX_BATCH
from .store import Status

Text: TypeAlias = Annotated[str, Field(max_length=2000)]
Count: TypeAlias = Annotated[int, Field(ge=0, le=10**12, strict=True)]
Number: TypeAlias = Annotated[float, Field(allow_inf_nan=False)] | None
Values: TypeAlias = Annotated[list[Number], Field(max_length=MAX_BATCH)] | None
Labels: TypeAlias = Annotated[list[int], Field(max_length=MAX_BATCH)]
Moment: TypeAlias = Annotated[float, Field(ge=0, le=10**11, allow_inf_nan=False)]
"""Seconds since the epoch."""
Digest: TypeAlias = Annotated[str, Field(pattern=r"^[0-9a-f]{64}$")]


class Content(BaseModel):
    """More fields than these are let through, since runs tell more than the pages need; their texts are checked too."""

    model_config = ConfigDict(frozen=True, extra="allow")


class Manifest(Content):
    """When the run took place, and what is there of it."""

    format: Literal["gia-lab-bundle 1"]
    """``report.FORMAT``."""
    run: str = Field(pattern=r"^[0-9a-f]{16}$")
    status: Status
    error: Text | None
    started_at: Moment | None
    finished_at: Moment | None
    frames: Annotated[dict[int, Count], Field(max_length=1000)]
    files: Annotated[dict[Text, Digest], Field(max_length=1000)]

    @field_validator("status")
    @classmethod
    def is_over(cls, status: Status) -> Status:
        if not status.is_over:
            raise ValueError("the run was not over when it was exported")
        return status


class Told(Content):
    """Of ``scores.json``; the events tell the scores themselves."""

    provenance: Annotated[dict[Text, Text | int | float | bool | None], Field(max_length=40)] | None


class Scores(BaseModel):
    model_config = ConfigDict(frozen=True, extra="forbid")

    psnr: Values = None
    ssim: Values = None
    mse: Values = None
    lpips: Values = None
    label_accuracy: Number = None


class Table(Content):
    title: Text
    columns: list[Text]
    rows: list[list[Text | int | float | None]]
    note: Text = ""


class Samples(BaseModel):
    """A sprite of what a generator drew, in base64."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    count: int = Field(ge=1, le=MAX_BATCH, strict=True)
    png: Base64Bytes = Field(max_length=2**22)


class Capture(Content):
    passed: bool
    message: Text


class Training(Content):
    kind: Literal["training"]
    epoch: Count
    epochs: Count
    loss: Number
    accuracy: Number


class Started(Content):
    kind: Literal["started"]
    label_names: Annotated[list[Text], Field(max_length=MAX_BATCH)] = []
    labels: Labels = []
    baselines: dict[Text, Scores] | None = None
    capture: Capture | None = None
    exchange: list[Table] = []


class Progress(Content):
    kind: Literal["progress"]
    iteration: Count
    iterations: Count
    losses: dict[Text, Number]
    scores: Scores
    labels: Labels = []
    elapsed: Number = 0.0
    rate: Number = None
    weighted: dict[Text, Number] = {}
    tables: list[Table] = []
    samples: Samples | None = None


class Finished(Content):
    kind: Literal["finished"]
    scores: Scores | None = None
    baselines: dict[Text, Scores] | None = None
    diagnosis: list[Text] = []
    seconds: Number = None
    labels: Labels = []
    tables: list[Table] = []


Chapter: TypeAlias = Annotated[Training | Started | Progress | Finished, Field(discriminator="kind")]


def apart(row: Any) -> Any:
    """A row of ``events.json`` holds number and time beside what was told."""
    if not isinstance(row, dict):
        return row
    body = {name: value for name, value in row.items() if name not in ("seq", "at")}
    return {"seq": row.get("seq"), "at": row.get("at"), "told": body, "body": body}


class Event(BaseModel):
    """One event: ``told`` as it was checked, ``body`` as it was written."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    seq: Annotated[int, Field(ge=1, le=10**9, strict=True)]
    at: Moment
    told: Chapter
    body: dict[str, Any]

    @property
    def lengths(self) -> list[int]:
        """Of every list with an entry for each image, where it is not empty."""
        tables = [getattr(self.told, "scores", None), *(getattr(self.told, "baselines", None) or {}).values()]
        lists = [values for scores in tables if scores for _, values in scores if isinstance(values, list)]
        return [len(values) for values in (*lists, getattr(self.told, "labels", [])) if values]


Recorded: TypeAlias = Annotated[Event, BeforeValidator(apart)]
