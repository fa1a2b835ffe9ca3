"""Numbered changes of a notebook."""

from __future__ import annotations

from collections import deque
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field
from typing import Any

_MOST = 4096  # operations
_MOST_SIZE = 32 << 20  # characters


@dataclass(frozen=True)
class Operation:
    """One change. `by` is the client that made it, "" for the agent. `data` by `op`:

    | op | data |
    | --- | --- |
    | insert | cell (nbformat dict), after (id of the cell before it; None: at the start) |
    | source | text, append (bool) |
    | output | output (may have transient.display_id; stream text not joined), clear (bool: clear first) |
    | update_display | display_id, data, metadata, targets (list of [cell_id, position of the output]) |
    | clear | wait (bool) |
    | count | count (int or None) |
    | state | state ("running" or "idle", of a code cell; not in the file) |
    | move | after (None: to the start) |
    | delete | – |
    | metadata | patch (a key with None is removed); cell_id "" is the notebook |
    """

    op: str
    cell_id: str
    seq: int
    data: dict[str, Any] = field(default_factory=dict)
    by: str = ""

    def to_json(self) -> dict[str, Any]:
        return asdict(self)

    @classmethod
    def from_json(cls, record: Mapping[str, Any]) -> Operation:
        return cls(
            op=str(record["op"]),
            cell_id=str(record["cell_id"]),
            seq=int(record["seq"]),
            data=dict(record.get("data") or {}),
            by=str(record.get("by") or ""),
        )


class History:
    """The latest operations, for clients that reconnect; bounded in number and size."""

    def __init__(self) -> None:
        self._operations: deque[tuple[Operation, int]] = deque()
        self._size = 0

    def add(self, operation: Operation) -> None:
        size = _size(operation.data)
        self._operations.append((operation, size))
        self._size += size
        while len(self._operations) > _MOST or self._size > _MOST_SIZE:
            self._size -= self._operations.popleft()[1]

    def since(self, seq: int) -> tuple[Operation, ...] | None:
        """The operations after `seq`, or None if some of them were dropped."""
        if not self._operations or self._operations[0][0].seq > seq + 1:
            return None
        return tuple(operation for operation, _ in self._operations if operation.seq > seq)


def _size(value: Any) -> int:
    if isinstance(value, str):
        return len(value)
    if isinstance(value, dict):
        return sum(map(_size, value.values()), len(value))
    return sum(map(_size, value), 1) if isinstance(value, list) else 1
