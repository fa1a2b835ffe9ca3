"""The types of the runner's records; `workbench/results` holds those of the harness.

Both are the source of the JSON Schema (see `schema`)."""

from __future__ import annotations

from typing import Annotated, Any, NotRequired, TypedDict

from cobra_jupyter.records.states import APPROVALS
from cobra_jupyter.workbench.kind import Kind, Limit
from cobra_jupyter.workbench.results import (
    CalledBy,
    Count,
    Digest,
    Dollars,
    Number,
    Positive,
    Role,
    Sha256,
)
from cobra_jupyter.workbench.turns import AgentName, Outputs

# ---- the run


class Run(TypedDict):
    """The run's configuration."""

    run: str
    folder: str
    brain: str
    budget: Positive | None
    seed: int
    brains: NotRequired[Annotated[list[str], "The leading brain, then those that take over, in order."]]
    kernel: str | None
    settings: dict[str, str]
    started: Positive
    version: str
    weights: Annotated[list[str], "Folders of pretrained weights, as given."]
    prompts: NotRequired[Annotated[dict[str, str], "SHA-256 of each prompt file."]]
    model: NotRequired[Annotated[dict[str, Any], "Settings of a language model."]]
    approval: NotRequired[Annotated[str, Limit(one_of=APPROVALS)]]


class Gpu(TypedDict):
    """A GPU."""

    name: str
    memory_bytes: Count
    driver: str


class Weights(TypedDict):
    """A pretrained model on this machine."""

    name: str
    path: str
    kind: str
    bytes: int
    revision: str


class Environment(TypedDict):
    """The kernel's Python, its libraries and the machine, and the digest of the packed workbench."""

    kernel_name: str
    argv: list[str]
    python: str
    python_version: str
    libraries: dict[str, str | None]
    cores: Count
    memory_bytes: Count
    memory_limit_bytes: Count | None
    gpus: list[Gpu]
    pack: Digest
    weights: Annotated[list[Weights], "Available pretrained weights."]


class State(TypedDict):
    """The run's state from here on."""

    state: Annotated[
        str,
        Limit(
            one_of=(
                "starting",
                "resumed",
                "running",
                "pausing",
                "paused",
                "human",
                "waiting",
                "stopped",
                "finished",
                "failed",
            )
        ),
    ]
    why: str | None
    used: NotRequired[
        Annotated[
            float,
            "The run's age in seconds, when it is resumed or its clock stops or restarts.",
            Limit(minimum=0),
        ]
    ]
    budget: NotRequired[Annotated[float, "Seconds, as given when the run was resumed.", Limit(minimum=0)]]


class SetAside(TypedDict):
    """A brain that an agent asks no longer, or not for now."""

    brain: str
    agent: AgentName


class Decision(TypedDict):
    """Something the runner decided."""

    what: str
    why: str
    set_aside: NotRequired[SetAside]


class File(TypedDict):
    """A file that was written."""

    path: str
    sha256: Sha256


class Proof(TypedDict):
    """Whether solution.ipynb, run in a fresh kernel, writes the same submission."""

    outcome: Annotated[str, Limit(one_of=("identical", "equal", "different", "failed", "not run"))]
    detail: str
    seconds: Positive
    retrained: bool


# ---- turns and cells


class Cells(TypedDict):
    """Ids of the notebook's cells."""

    markdown: str | None
    code: str | None


class Usage(TypedDict):
    """Model, tokens, cost in dollars, seconds."""

    model: str
    input: Count
    cached: Count
    output: Count
    thoughts: Count
    cost: float | None
    seconds: Positive
    retries: Count


class Attempt(TypedDict):
    """A reply that could not be run, with what was wrong."""

    brain: str
    text: str
    correction: str
    usage: Usage | None
    finish: str
    detail: str
    thoughts: str


class Reply(TypedDict):
    """A brain's reply."""

    agent: AgentName
    turn: Count
    role: str
    brain: str
    text: str
    asked: Annotated[
        dict[str, str] | None,
        "The model's prompt (system, stable and changing part): SHA-256 of texts stored in asked/.",
    ]
    knew: Annotated[int, "The last line of the record in the brain's context."]
    usage: Usage | None
    finish: Annotated[str, Limit(one_of=("stop", "max_tokens", "blocked", "malformed", "empty", "other"))]
    detail: Annotated[str, "The provider's word for how it ended."]
    thoughts: Annotated[str, "The model's summary of its thoughts, if it may be stored."]
    attempts: Annotated[
        list[Attempt], "Replies of this turn that could not be run, each with what was wrong."
    ]
    cells: Cells


class Note(TypedDict):
    """Cells that the runner wrote."""

    agent: AgentName
    cells: Cells
    text: str
    code: str | None


class Kernel(TypedDict):
    """An event of the kernel."""

    agent: AgentName
    event: str
    turn: Count


class Finish(TypedDict):
    """The agent says that the work is done."""

    agent: AgentName
    why: str


# ---- other agents


class Agent(TypedDict):
    """An agent that is called in."""

    agent: str
    role: Role
    brief: Annotated[str, "What it is to find out."]
    seconds: Annotated[float, "Its time limit.", Limit(minimum=0)]
    turns: Annotated[int, "Its most turns.", Limit(minimum=1)]
    by: CalledBy


class Best(TypedDict):
    """A trial or blend with its score."""

    id: str
    score: float


class Rung(TypedDict):
    """A rung of the plateau ladder begins or ends, with its cost and its gain."""

    number: Number
    rung: Annotated[str, Limit(one_of=("audit", "scout", "fusion", "judge"))]
    state: Annotated[str, Limit(one_of=("begun", "ended"))]
    why: str
    plateau: Annotated[bool, "Whether it is due because of a plateau; else because of the clock."]
    protocol: Number
    best: Annotated[Best | None, "The best trial or blend at that time."]
    lines: NotRequired[Annotated[list[str], "Trials that a fusion starts from."]]
    agent: NotRequired[str | None]
    brief: NotRequired[str | None]
    seconds: NotRequired[Positive]
    tokens: NotRequired[Count]
    cost: NotRequired[Dollars]
    gain: NotRequired[
        Annotated[
            float | None,
            "Change of the best score meanwhile, positive is better; null under another protocol.",
        ]
    ]


# ---- people


class Edit(TypedDict):
    """One step, as docs/live.md describes it."""

    edit: Annotated[str, Limit(one_of=("insert", "source", "delete", "move", "clear", "metadata", "replace"))]
    cell_id: NotRequired[str]
    text: NotRequired[str]
    cell: NotRequired[dict[str, Any]]
    after: NotRequired[str | None]
    outputs: NotRequired[Annotated[str, "SHA-256 of the cell's initial outputs, stored in outputs/."]]


class Edits(TypedDict):
    """A person's edits of an agent's notebook (docs/live.md, Edits): the steps from the recorded notebook to
    the live one."""

    agent: AgentName
    edits: list[Edit]


class Ran(TypedDict):
    """A cell that a person ran in an agent's kernel."""

    agent: AgentName
    cell: str
    source: str
    status: Annotated[str, Limit(one_of=("ok", "error", "died"))]
    count: Count | None
    seconds: Positive
    output: Annotated[str, "The text that the person saw, trimmed."]
    error: str
    outputs: Outputs


class Human(TypedDict):
    """A person's command to the run."""

    what: Annotated[
        str,
        Limit(
            one_of=(
                "pause",
                "resume",
                "step",
                "interrupt",
                "stop",
                "take over",
                "hand back",
                "approve",
                "decline",
                "restart the kernel",
            )
        ),
    ]
    why: str


class Message(TypedDict):
    """A person's message to the agent."""

    text: str


class Intervention(TypedDict):
    """A person's actions on one cell."""

    what: list[Annotated[str, Limit(one_of=("added", "changed", "deleted", "moved", "run"))]]
    cell: str
    kind: Annotated[str, Limit(one_of=("code", "markdown", "raw"))]
    text: str
    status: str | None
    output: str


class HandBack(TypedDict):
    """A person's actions in an agent's notebook, in the words that the agent reads."""

    agent: AgentName
    why: str
    text: str
    interventions: list[Intervention]


class Moved(TypedDict):
    """A person has renamed or moved an agent's notebook."""

    agent: AgentName
    path: str


RUN: Kind[Run] = Kind("run")
ENVIRONMENT: Kind[Environment] = Kind("environment")
STATE: Kind[State] = Kind("state")
DECISION: Kind[Decision] = Kind("decision")
FILE: Kind[File] = Kind("file")
PROOF: Kind[Proof] = Kind("proof")
REPLY: Kind[Reply] = Kind("reply")
NOTE: Kind[Note] = Kind("note")
KERNEL: Kind[Kernel] = Kind("kernel")
FINISH: Kind[Finish] = Kind("finish")
AGENT: Kind[Agent] = Kind("agent")
RUNG: Kind[Rung] = Kind("rung")
EDIT: Kind[Edits] = Kind("edit")
RAN: Kind[Ran] = Kind("ran")
HUMAN: Kind[Human] = Kind("human")
MESSAGE: Kind[Message] = Kind("message")
HANDBACK: Kind[HandBack] = Kind("handback")
MOVED: Kind[Moved] = Kind("moved")
