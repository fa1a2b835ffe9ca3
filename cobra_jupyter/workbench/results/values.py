"""The forms of values in results."""

from __future__ import annotations

from typing import Annotated, Any

from cobra_jupyter.workbench.kind import Limit

Count = Annotated[int, Limit(minimum=0)]
Number = Annotated[int, Limit(minimum=1)]  # counted from 1
Positive = Annotated[float, Limit(minimum=0)]  # or zero
Share = Annotated[float, Limit(minimum=0, maximum=1)]
Digest = Annotated[str, Limit(pattern="^[0-9a-f]+$")]
Sha256 = Annotated[str, Limit(pattern="^[0-9a-f]{64}$")]
Direction = Annotated[str, Limit(one_of=("maximize", "minimize"))]
Wants = Annotated[str, Limit(one_of=("probability", "label", "value"))]
Config = Annotated[dict[str, Any], "Factor or setting → value."]
Dollars = Annotated[float, "US dollars.", Limit(minimum=0)]
FitStatus = Annotated[str, Limit(one_of=("ok", "partial", "failed"))]
Verdict = Annotated[str, Limit(one_of=("better", "worse", "unclear", "failed", "not tried"))]
Role = Annotated[str, Limit(one_of=("scout", "auditor", "judge"))]
CalledBy = Annotated[str, Limit(one_of=("lead", "ladder"))]
