"""The types of the workbench's results: cells show them, and the harness writes them to the record.

`python -m cobra_jupyter.records.schema` generates the JSON Schemas from them. Docstrings and texts in
`Annotated` become descriptions; a `Limit` becomes keywords."""

from __future__ import annotations

from cobra_jupyter.workbench.results.audit import *  # noqa: F403
from cobra_jupyter.workbench.results.choice import *  # noqa: F403
from cobra_jupyter.workbench.results.competition import *  # noqa: F403
from cobra_jupyter.workbench.results.effects import *  # noqa: F403
from cobra_jupyter.workbench.results.session import *  # noqa: F403
from cobra_jupyter.workbench.results.trials import *  # noqa: F403
from cobra_jupyter.workbench.results.values import *  # noqa: F403
