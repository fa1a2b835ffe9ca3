"""Kinds of records and results: each name carries the type of its data.

`TRIAL: Kind[Trial] = Kind("trial")` is the string "trial" wherever JSON or a comparison needs it; a function that takes
a `Kind[T]` and gives or takes a `T` lets the type checker find a wrong key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound=Mapping[str, Any])


class Kind(str, Generic[T]):
    """The name of a kind of record whose data is a T."""

    __slots__ = ()


def as_record(kind: type[T], value: DataclassInstance) -> T:
    """A dataclass as a record whose keys are its fields."""
    return cast("T", asdict(value))


@dataclass(frozen=True)
class Limit:
    """What a value must keep to beside its Python type. It stands in `Annotated`, and so in the JSON Schema."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    longest: int | None = None  # characters
    pattern: str | None = None
    one_of: tuple[str, ...] = ()
