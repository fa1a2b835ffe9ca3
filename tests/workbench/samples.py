"""A result of every kind, as the harness returns them, with names of the reader's choice."""

from __future__ import annotations

from typing import Any

JUDGED = {"metric": "accuracy", "direction": "maximize", "protocol": 1}
SHA = "f361ed0e9619b94c0f21fd1ae69de92621a141550463bf9c73d50b2fdf214d85"


def effect(factor: str, level: Any, gain: float | None, **changes: Any) -> dict[str, Any]:
    known = gain is not None
    return {
        "factor": factor,
        "level": level,
        "baseline": "none",
        "gain": gain,
        "se": 0.004 if known else None,
        "verdict": "unclear" if known else "not tried",
        "confirmed": False,
        "cost_ratio": 1.3 if known else None,
        "trial": "t004" if known else None,
        "note": "",
        **changes,
    }


def trial(name: str = "ridge", **changes: Any) -> dict[str, Any]:
    fit = {
        "repeat": 0,
        "digest": "ab12",
        "status": "ok",
        "seconds": 3.2,
        "rows": 80,
        "raw": "trials/ab12/raw0.npy",
        "sha256": "ab" * 32,
        "seed": 0,
        "seconds_given": 60.0,
        "fit_seconds": 3.0,
        "predict_seconds": 0.1,
        "rss_mb": 167.8,
        "base_mb": 120.4,
        "fit_mb": 47.4,
        "predict_mb": 3.1,
    }
    return {
        "id": "t001",
        "candidate": f"{name}_v1",
        "name": name,
        "label": f"{name}(alpha=1)",
        "config": {"alpha": 1},
        "folds": [0, 1],
        "repeats": 1,
        "fraction": 1.0,
        "seed": 0,
        "protocol": 1,
        "status": "ok",
        "full": True,
        "reduced": "",
        "threads": 1,
        "score": 0.806979419,
        "se": 0.004508112,
        "fold_scores": [0.80958, 0.81022],
        "rows": 100,
        "params": {"threshold": 0.5},
        "seconds": 250.4,
        "cost": 12.274,
        "rss_mb": 167.8,
        "fits": [{**fit, "fold": fold} for fold in (0, 1)],
        "shared": {"columns": ["shared/columns_ab12_train/made.frame"]},
        "warnings": [],
        "failure": None,
        **changes,
    }


def failed(name: str = "ridge", **changes: Any) -> dict[str, Any]:
    failure = {
        "kind": "out_of_memory",
        "message": f"too much for {name}",
        "rule": None,
        "place": f"{name}_v1.py, line 7, in fit",
        "tail": "Traceback\nMemoryError: 3 GB",
    }
    return trial(
        name, id="t002", status="failed", score=None, se=None, fold_scores=[], failure=failure, **changes
    )


def ablation(name: str = "ridge", **changes: Any) -> dict[str, Any]:
    effects = [
        effect("scale", "ranks", 0.031, verdict="better", confirmed=True),
        effect("scale", "log", -0.012, verdict="worse"),
        effect("penalty", 100, 0.0),
        effect(name, "heavy", None, verdict="failed", note=f"MemoryError in {name}"),
        effect("penalty", 7, None, note="no time left in this ablation"),
    ]
    combination = {
        "change": {"scale": "ranks", "penalty": 100},
        "gain": 0.033,
        "se": 0.004,
        "trial": "t009",
        "rung": 0,
    }
    return {
        "id": "a01",
        "candidate": f"{name}_v1",
        "baseline": "t003",
        "fidelity": "10% of the rows, 1 fold",
        "fraction": 0.1,
        "folds": 1,
        "effects": effects,
        "combinations": [combination, {**combination, "gain": None, "se": None, "rung": 1}],
        "importance": {"scale": 0.9, "penalty": 0.1},
        "best": {"scale": "ranks", "penalty": "none"},
        "best_trial": "t005",
        "best_gain": 0.031,
        "best_se": 0.004,
        "rank_agreement": 0.5,
        "seed_sd": 0.001,
        "comparisons": 5,
        "seconds": 19.2,
        "notes": {"scale": f"ranks tame outliers of {name}"},
        **JUDGED,
        **changes,
    }


def running(name: str = "ridge") -> dict[str, Any]:
    """An ablation of which one level has a result, as it is shown while it runs."""
    found = ablation(name, combinations=[], best={}, rank_agreement=None, seed_sd=None)
    for key in ("notes", *JUDGED):
        del found[key]
    found["effects"] = [
        found["effects"][0],
        *(effect("penalty", level, None, note="running") for level in (7, 100)),
    ]
    return found


def results(name: str = "ridge") -> dict[str, dict[str, Any]]:
    """A result of every kind; `name` stands wherever data can bring a name."""
    digest = "ab" * 32
    member = {"trial": "t001", "label": f"{name}(alpha=1)", "weight": 0.75}
    job = {
        "id": "j01",
        "what": f"full-size {name}",
        "asked": {"call": "scale", "args": {"candidate": name}},
        "state": "running",
        "error": None,
        "seconds": 64.2,
        "result": None,
    }
    entry = {
        "id": "b01",
        "label": name,
        "score": 0.81,
        "se": 0.004,
        "cost": 12.3,
        "behind": 0.0,
        "behind_se": 0.0,
        "tie": True,
    }
    return {
        "card": {
            "name": name,
            "id": name,
            "targets": [name],
            "outputs": [name],
            "task": "binary",
            "classes": [False, True],
            "layout": "label",
            "metric": "accuracy",
            "direction": "maximize",
            "label_sources": ["train.csv"],
            "kind": "tabular",
            "columns": {name: "number"},
            "split": None,
            "groups": name,
            "time": None,
            "evidence": {"task": f"{name} has two values"},
            "questions": [f"which is {name}? --set target=…"],
            "assumed": [
                {"about": "id", "taken": f"{name} is it", "reason": "none fits", "option": "id=COLUMN"}
            ],
            "notes": [f"{name} was skipped"],
            "folder": f"/data/{name}",
            "tables": {"train": "pd.read_csv(DATA / 'train.csv')", "labels": None},
            "enforced": "labels are held apart",
            "files": [{"pattern": f"{name}.csv", "count": 1, "bytes": 7620}],
            "sample_rows": 10,
            "train_rows": 100,
            "train_columns": 3,
            "train_missing": {name: 0.02},
            "test_rows": 10,
            "test_columns": 2,
            "test_missing": {name: 0.2},
            "target_distribution": {name: {"values": 2, "counts": {name: 60, "other": 40}}},
            "rows_without_label": 0,
            "settings": {"target": name},
            "sha256": {"train.csv": digest},
        },
        "protocol": {
            "number": 1,
            "metric": "accuracy",
            "direction": "maximize",
            "task": "binary",
            "split": "group",
            "folds": 5,
            "repeats": 2,
            "seed": 0,
            "groups": name,
            "time": None,
            "rows": 100,
            "units": 90,
            "vault_rows": 10,
            "reason": f"{name} repeats",
            "code": f"groups = train[{name!r}]",
            "digest": digest,
            "asked": dict.fromkeys(
                ("split", "folds", "repeats", "groups", "time", "metric", "vault", "leave_out")
            ),
            "leave_out": [name],
            "wants": "label",
            "sanity": {
                "perfect": 1.0,
                "shuffled": 0.5,
                "constant": None,
                "holds": True,
                "reason": "perfect is best",
            },
        },
        "candidate": {
            "name": "ridge",
            "version": 2,
            "path": "code/ridge_v2.py",
            "digest": digest,
            "factors": {name: ["none", name, 3, None]},
            "notes": {name: f"{name} helps"},
            "functions": ["fit", "predict"],
            "decode": {"threshold": [0.4, 0.5]},
            "summary": f"A ridge on {name}.",
            "new": True,
        },
        "shared": {
            "name": "columns",
            "digest": "ab12",
            "columns": [name],
            "seconds": 1.759,
            "path": "shared/columns.py",
            "protocol": 1,
            "files": {"shared/columns_ab12_train/made.frame": digest},
        },
        "oof": {
            "id": "t001",
            "path": f"/run/{name}.npz",
            "sha256": digest,
            "rows": 200,
            "predicted": 160,
            "columns": [name, "1"],
            "protocol": 1,
        },
        "metric": {
            "name": name,
            "direction": "minimize",
            "wants": "value",
            "best": 0.0,
            "path": "code/metric_x.py",
            "digest": "0" * 64,
        },
        "trial": trial(name),
        "ablation": ablation(name),
        "effects": {
            "effects": [
                {**e, "candidate": name, "fidelity": "all rows", "ablation": "a01"}
                for e in ablation(name)["effects"]
            ],
            "best": [{"candidate": name, "config": {name: name}, "trial": "t005"}],
            **JUDGED,
        },
        "probe": {
            "candidate": name,
            "config": {name: 1},
            "measured": [{"rows": 1000, "seconds": 0.5, "rss_mb": 160.0}],
            "rows": 6258,
            "exponent": 0.79,
            "fit_seconds": 2.1,
            "predict_seconds": 0.4,
            "start_seconds": 0.1,
            "base_mb": 120.0,
            "fit_mb": 80.0,
            "predict_mb": 12.0,
            "rss_mb": 200.0,
            "trial_seconds": 6.3,
            "memory_mb": 4096.0,
            "fits_memory": False,
        },
        "blend": {
            "id": "b01",
            "members": [{**member, "cost": 12.3}, {**member, "trial": "t007", "weight": 0.25, "cost": 1.0}],
            "score": 0.81,
            "se": 0.004,
            "fold_scores": [0.8, 0.82],
            "params": {},
            "in_sample": 0.82,
            "best_single": "t001",
            "over_best": {"gain": 0.001, "se": 0.0004, "rows": 100},
            "considered": 3,
            "cost": 13.3,
            "seconds": 0.2,
            "rows": 100,
            "sha256": digest,
            **JUDGED,
        },
        "selection": {
            "chosen": "b01",
            "runner_up": "t001",
            "rule": "best score, ties to the cheaper",
            "why": f"b01 beats {name}",
            "table": [
                entry,
                {**entry, "id": "t001", "score": 0.807, "behind": 0.003, "behind_se": 0.001, "tie": False},
            ],
            "vault": f"vault of 10 rows: {name}",
            "vetoed": True,
            **JUDGED,
        },
        "submission": {
            "what": "b01",
            "score": 0.81,
            "se": 0.004,
            "rows": 870,
            "sha256": SHA,
            "path": "submission.csv",
            "cost": 13.3,
            "seconds": 5.5,
            "members": [member, {**member, "trial": "t007", "weight": 0.25}],
            "suspect": [f"every row has the same prediction: {name}"],
            **JUDGED,
        },
        "placeholder": {
            "path": "submission.csv",
            "sha256": SHA,
            "rows": 870,
            "values": {"survived": "0.384"},
            "why": f"the class shares of {name} in every row",
        },
        "audit": {
            "findings": [
                {
                    "check": "implausible power",
                    "severity": "leak",
                    "evidence": f"{name} alone gives the target",
                    "proposal": f"leave {name} unused",
                    "protocol": {"leave_out": [name]},
                    "columns": [name],
                    "scores": {"with": 0.99991, "without": 0.81234, "metric": "roc_auc"},
                },
                {
                    "check": "drift",
                    "severity": "warning",
                    "evidence": f"{name} drifts",
                    "proposal": f"try without {name}",
                    "protocol": None,
                    "columns": [],
                    "scores": None,
                },
            ],
            "probed": None,
            "leaking": [name],
        },
        "job": job,
        "jobs": {"jobs": [job, {**job, "id": "j02", "state": "failed", "error": f"TooExpensive: {name}"}]},
        "status": {
            "seconds_left": 3200.1,
            "reserve": 216.0,
            "budget": 7200,
            "jobs": [job],
            "slots": 2,
            "memory_mb": 4096,
            "protocol": 1,
        },
        "finish": {"why": f"{name} is submitted", "answer": "noted"},
        "brief": {
            "id": "d01",
            "agent": "scout-1",
            "role": "scout",
            "by": "lead",
            "asked": f"Look at {name}.",
            "report": f"{name} helps.\nIt is in t007.",
            "ended": "with a report",
            "results": ["t007"],
            "turns": 5,
            "seconds": 41.5,
            "tokens": 12000,
            "cost": 0.04,
            "notebook": "agents/scout-1.ipynb",
        },
    }
