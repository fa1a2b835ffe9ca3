"""Kinds of records and results: each name carries the type of its data.

`TRIAL: Kind[Trial] = Kind("trial")` is the string "trial" in JSON and comparisons. With functions from
`Kind[T]` to `T` the type checker finds a wrong key."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any, Generic, TypeVar, cast

if TYPE_CHECKING:
    from _typeshed import DataclassInstance

T = TypeVar("T", bound=Mapping[str, Any])


class Kind(str, Generic[T]):
    """The name of a kind of record. Its data is a T."""

    __slots__ = ()


def as_record(kind: type[T], value: DataclassInstance) -> T:
    """Convert a dataclass to a record with its fields as keys."""
    return cast("T", asdict(value))


@dataclass(frozen=True)
class Limit:
    """Limits of a value beside its Python type. Used in `Annotated`; becomes part of the JSON Schema."""

    minimum: float | None = None
    above: float | None = None
    maximum: float | None = None
    longest: int | None = None  # characters
    pattern: str | None = None
    one_of: tuple[str, ...] = ()
