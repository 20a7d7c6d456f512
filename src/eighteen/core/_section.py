"""What sections of a recipe are made of: the frozen base, and kinds of values that several of them use."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Auto = Literal["auto"]
Fraction = Annotated[float, Field(ge=0, le=1)]
Positive = Annotated[int, Field(ge=1)]
Byte = Annotated[int, Field(ge=0, le=255)]
Deviation = Annotated[float, Field(gt=0, le=1)]


class Section(BaseModel):
    """A frozen part of a recipe that refuses what it does not know."""

    model_config = ConfigDict(frozen=True, extra="forbid", validate_default=True)
