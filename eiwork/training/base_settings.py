"""What all settings share: immutable objects that reject unknown fields, and the ranges of their numbers."""

from typing import Annotated

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0)]
NonNegative = Annotated[float, Field(ge=0)]
Count = Annotated[int, Field(ge=1)]
Interval = tuple[NonNegative, NonNegative]


class Settings(BaseModel):
    """Base of all settings: immutable, and an unknown field is an error."""

    model_config = ConfigDict(frozen=True, extra="forbid")
