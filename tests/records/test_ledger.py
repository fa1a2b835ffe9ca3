from __future__ import annotations

import json
from pathlib import Path

import pytest

from cobra_jupyter.records.ledger import Ledger, LedgerError, read, verify


@pytest.fixture
def record(tmp_path: Path) -> tuple[Path, str, int]:
    """A closed record of 20 lines: path, head, length."""
    ledger = Ledger(tmp_path / "ledger.jsonl", secrets=["sk-very-secret", "short"])
    for number in range(19):
        ledger.append("trial", {"id": f"t{number:03d}", "score": number / 7, "text": "naïve ± ☃\n"})
    ledger.append("state", {"state": "finished"})
    ledger.close()
    return ledger.path, ledger.head, ledger.length


def test_appended_records_are_read_back_in_order(record: tuple[Path, str, int]) -> None:
    path, head, length = record
    records = list(read(path))
    assert [r.seq for r in records] == list(range(20))
    assert records[3].data == {"id": "t003", "score": 3 / 7, "text": "naïve ± ☃\n"}
    assert records[-1].hash == head
    assert length == 20
    verify(path, head, length)


@pytest.mark.parametrize("damage", ["edit", "drop", "swap", "cut", "add"])
def test_every_kind_of_tampering_is_noticed(record: tuple[Path, str, int], damage: str) -> None:
    path, head, length = record
    lines = path.read_text().splitlines(keepends=True)
    if damage == "edit":
        lines[5] = lines[5].replace('"t005"', '"t006"')
    elif damage == "drop":
        del lines[5]
    elif damage == "swap":
        lines[5], lines[6] = lines[6], lines[5]
    elif damage == "cut":
        del lines[-1]
    else:
        lines.append(lines[-1])
    path.write_text("".join(lines))
    with pytest.raises(LedgerError):
        verify(path, head, length)


def test_a_line_rewritten_with_a_hash_of_its_own_breaks_the_chain_after_it(
    record: tuple[Path, str, int],
) -> None:
    import hashlib

    path, head, length = record
    lines = path.read_text().splitlines()
    forged = json.loads(lines[5])
    forged.pop("hash")
    forged["data"]["score"] = 99.0
    body = json.dumps(forged, ensure_ascii=False, separators=(",", ":"))
    digest = hashlib.sha256(f"{forged['prev']}{body}".encode()).hexdigest()
    lines[5] = f'{body[:-1]},"hash":"{digest}"}}'
    path.write_text("\n".join(lines) + "\n")
    with pytest.raises(LedgerError, match="line 7"):
        verify(path, head, length)


def test_secrets_never_reach_the_file(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl", secrets=['key "with" quotes\n', "plain-secret"])
    ledger.append("cell", {"source": 'x = """key "with" quotes\n"""; y = "plain-secret"'})
    ledger.close()
    text = ledger.path.read_text()
    assert "plain-secret" not in text
    assert "with" not in text
    assert text.count("[secret]") == 2


def test_a_record_continues_where_it_ended(record: tuple[Path, str, int]) -> None:
    path, head, length = record
    ledger = Ledger(path)
    assert (ledger.head, ledger.length, ledger.cut) == (head, length, 0)
    ledger.append("state", {"state": "resumed"})
    assert [r.seq for r in read(path)] == list(range(21))


@pytest.mark.parametrize("left", [1, 40, -1])
def test_a_torn_last_line_is_cut_and_no_other_line_is_lost(record: tuple[Path, str, int], left: int) -> None:
    path, head, length = record
    whole = path.read_bytes()
    last = whole.splitlines(keepends=True)[-1]
    path.write_bytes(whole + last[:left])
    ledger = Ledger(path)
    assert (ledger.head, ledger.length) == (head, length)
    assert ledger.cut == len(last[:left])
    assert path.read_bytes() == whole


def test_a_record_with_a_broken_line_is_not_continued(record: tuple[Path, str, int]) -> None:
    text = record[0].read_text().replace('"t005"', '"t006"')
    record[0].write_text(text)
    with pytest.raises(LedgerError, match="line 6"):
        Ledger(record[0])
    assert record[0].read_text() == text


def test_a_record_has_one_writer(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(LedgerError, match="going on in another process"):
        Ledger(ledger.path)
    ledger.close()
    Ledger(ledger.path).close()


def test_nan_is_refused_rather_than_written(tmp_path: Path) -> None:
    ledger = Ledger(tmp_path / "ledger.jsonl")
    with pytest.raises(ValueError, match="not JSON compliant"):
        ledger.append("trial", {"score": float("nan")})
    ledger.append("trial", {"score": 1.0})
    assert [r.data["score"] for r in read(ledger.path)] == [1.0]
