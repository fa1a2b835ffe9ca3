from __future__ import annotations

import json
from pathlib import Path

from cobra_jupyter.kernel import weights


def model(folder: Path, size: int = 10, leave: str = "") -> Path:
    folder.mkdir(parents=True, exist_ok=True)
    files = {
        "config.json": json.dumps({"model_type": "bert"}),
        "tokenizer.json": "{}",
        "model.safetensors": "x" * size,
    }
    for name, content in files.items():
        if name != leave:
            (folder / name).write_text(content)
    return folder


def cached(home: Path, name: str, revision: str, size: int = 10) -> Path:
    return model(home / "hub" / f"models--{name.replace('/', '--')}" / "snapshots" / revision, size)


def test_the_cache_is_searched_smallest_first(tmp_path):
    cached(tmp_path, "some/large", "r1", 500)
    path = cached(tmp_path, "some/small", "r2")
    found = weights.find(environ={"HF_HOME": str(tmp_path)})
    assert [w.name for w in found] == ["some/small", "some/large"]
    assert found[0] == weights.Weights("some/small", str(path), "bert", 10, "r2")
    assert weights.find(environ={"HF_HUB_CACHE": str(tmp_path / "hub")}) == found


def test_a_folder_given_comes_first_and_once(tmp_path):
    given = model(tmp_path / "mine", 900)
    cached(tmp_path, "some/small", "r2")
    found = weights.find([given, given], {"HF_HOME": str(tmp_path)})
    assert [w.name for w in found] == ["mine", "some/small"]
    assert found[0].revision == ""


def test_what_cannot_be_loaded_is_passed_over(tmp_path):
    for missing in ("config.json", "tokenizer.json", "model.safetensors"):
        assert weights.find([model(tmp_path / missing, leave=missing)], {"HF_HOME": str(tmp_path)}) == ()
    broken = model(tmp_path / "broken")
    (broken / "config.json").write_text("{")
    assert weights.find([broken, tmp_path / "nowhere"], {"HF_HOME": str(tmp_path)}) == ()
