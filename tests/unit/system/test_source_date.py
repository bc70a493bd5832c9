"""The time in SOURCE_DATE_EPOCH, and the programs that get it."""
from __future__ import annotations

import time
from pathlib import Path
from typing import Tuple

import pytest

from ovirt_node_plugin.system import source_date
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.unit


def test_the_time_is_that_of_the_variable(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    assert source_date.source_date() == source_date.now() == 1700000000
    monkeypatch.setenv("SOURCE_DATE_EPOCH", str((1 << 32) - 1))
    assert source_date.source_date() == (1 << 32) - 1


@pytest.mark.parametrize("value", ["", "soon", "-1", "1.5", "٣", "0x10", "1" * 12, " 1",
                                   str(1 << 32)])
def test_a_value_that_is_no_time_is_ignored(value: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    before = time.time()
    assert source_date.source_date() is None
    assert source_date.now() >= before
    assert [note.partition(value)[0] for note in source_date.notes()] == (
        ["SOURCE_DATE_EPOCH has no effect: "] if value else [])


@pytest.mark.parametrize(("value", "words"), [
    ("0", ()), ("1700000000", ()), (str((1 << 32) - 1), ("is in the future",))])
def test_a_note_warns_of_a_time_in_the_future(
        value: str, words: Tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", value)
    assert len(source_date.notes()) == len(words)
    assert all(word in note for note, word in zip(source_date.notes(), words))


def test_programs_have_the_time_of_the_variable_in_utc(monkeypatch: pytest.MonkeyPatch) -> None:
    names = ("TZ", "E2FSPROGS_FAKE_TIME", "E2FSCK_TIME")
    show = ["sh", "-c", "".join(f'echo "${name}";' for name in names)]
    monkeypatch.delenv("SOURCE_DATE_EPOCH", raising=False)  # rpmbuild sets it
    for name in names:
        monkeypatch.setenv(name, "before")
    assert run(show).split() == ["before"] * 3
    for date, given in (("1700000000", "1700000000"), ("0", "1")):
        monkeypatch.setenv("SOURCE_DATE_EPOCH", date)
        assert run(show).split() == ["UTC", given, given]


@pytest.mark.parametrize(("name", "given"), [
    ("dnf-3", "1700000000"), ("mksquashfs", ""), ("xorriso", ""), ("sh", "")])
def test_only_programs_that_use_it_well_get_the_variable(
        name: str, given: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    program = tmp_path / name
    program.write_text('#!/bin/sh\necho "$SOURCE_DATE_EPOCH"\n')
    program.chmod(0o755)
    assert run([program]) == f"{given}\n"
