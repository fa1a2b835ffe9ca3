"""The playbook: rules, without a language model."""

from __future__ import annotations

from cobra_jupyter.brains.kind import Availability, BrainKind, BrainRequest, Brains, Environment, Spent


def made(why: str) -> Brains:
    from cobra_jupyter.brains.playbook import Playbook

    return Brains("playbook", lambda role: (Playbook(),), why)


def _make(request: BrainRequest, environment: Environment, spent: Spent) -> Brains:
    return made("asked for")


def _available(environment: Environment) -> Availability:
    return Availability(True, "needs no key: general recipes, without a language model")


BRAIN = BrainKind("playbook", 1, _make, _available, in_lab=True)
