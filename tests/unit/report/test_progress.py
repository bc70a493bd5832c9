"""Progress as bars and as lines of JSON, with a clock that the test controls."""
from __future__ import annotations

import io
import json
import os
import subprocess
import sys
from typing import Any, Dict, List

import pytest

from ovirt_node_plugin.report.progress import Bars, FollowedSteps, JsonLines, Lines, for_people
from ovirt_node_plugin.system.progress import ENTRIES, READ, Silent, transferred
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.unit


class Clock:
    now_s = 0.0

    def __call__(self) -> float:
        return self.now_s


def drawn(stream: io.StringIO) -> List[str]:
    """Return the lines drawn on a terminal, in order."""
    return [part for part in stream.getvalue().replace("\n", "").split("\r\x1b[K") if part]


def test_a_bar_shows_the_part_the_rate_and_the_remaining_time(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream, clock = io.StringIO(), Clock()
    with Bars(stream, clock).step("pack", "Packing", total=lambda: 100 << 20) as advance:
        clock.now_s = 10.0
        advance(25 << 20)
        clock.now_s = 40.0
    assert drawn(stream) == [
        "Packing", "Packing  [#####               ]  25%  2.5 MiB/s  30 s left",
        "Packing: done in 40 s"]


def test_a_step_of_unknown_length_has_no_bar(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream, clock = io.StringIO(), Clock()
    with Bars(stream, clock).step("x", "Looking", unit=ENTRIES) as advance:
        clock.now_s = 2.0
        advance(500)
        clock.now_s = 130.0
    assert drawn(stream)[1:] == ["Looking  250 entries/s", "Looking: done in 2:10 min"]


def test_on_a_narrow_terminal_the_numbers_are_kept(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    stream, clock = io.StringIO(), Clock()
    with Bars(stream, clock).step("x", "Packing " + "x" * 80, total=lambda: 1 << 20) as advance:
        clock.now_s = 1.0
        advance(1 << 19)
    line = drawn(stream)[1]
    assert len(line) == 59 and line.endswith("50%  512.0 KiB/s  1 s left")
    assert line.startswith("Packing")


def test_more_than_the_expected_amount_is_shown_as_complete(
        monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream, clock = io.StringIO(), Clock()
    with Bars(stream, clock).step("x", "Packing", total=lambda: 10) as advance:
        clock.now_s = 1.0
        advance(25)
    assert "100%" in drawn(stream)[1] and "0 s left" in drawn(stream)[1]


def test_a_failed_step_is_not_reported_as_done() -> None:
    stream = io.StringIO()
    with pytest.raises(ValueError), Bars(stream, Clock()).step("x", "Packing"):
        raise ValueError
    assert drawn(stream)[-1] == "Packing: not done"


def test_nothing_is_drawn_without_a_terminal() -> None:
    stream = io.StringIO()
    progress = for_people(stream)
    with progress.step("x", "Packing") as advance:
        advance(5)
    assert isinstance(progress, Silent) and stream.getvalue() == ""


def test_a_step_is_two_plain_lines_without_a_terminal_if_lines_are_wanted() -> None:
    stream, clock = io.StringIO(), Clock()
    assert isinstance(for_people(stream, lines=True), Lines)
    with Lines(stream, clock).step("x", "Packing\x1b", total=lambda: 5) as advance:
        clock.now_s = 65.0
        advance(5)
    with pytest.raises(ValueError), Lines(stream, clock).step("x", "Reading"):
        raise ValueError
    assert stream.getvalue() == ("Packing\\x1b ...\nPacking\\x1b: done in 1:05 min\n"
                                 "Reading ...\nReading: not done\n")


def test_each_line_of_json_is_an_object() -> None:
    stream, clock = io.StringIO(), Clock()
    with JsonLines(stream, clock).step("pack", "Packing", total=lambda: 100) as advance:
        clock.now_s = 0.5
        advance(1)
        clock.now_s = 2.0
        advance(50)
        clock.now_s = 4.0
    lines: List[Dict[str, Any]] = [json.loads(line) for line in stream.getvalue().splitlines()]
    assert lines == [
        {"format": 1, "event": "step", "step": "pack", "text": "Packing", "total": 100,
         "unit": "bytes"},
        {"format": 1, "event": "progress", "step": "pack", "done": 50, "total": 100,
         "unit": "bytes", "rate": 25, "left_s": 2.0},
        {"format": 1, "event": "step-done", "step": "pack", "elapsed_s": 4.0}]


def test_the_amount_that_a_program_has_read_is_reported_while_it_runs(tmp_path: object) -> None:
    amounts: List[int] = []
    code = "import time; data = open('/dev/zero', 'rb').read(5 << 20); time.sleep(1)"
    run([sys.executable, "-c", code], polled=transferred(amounts.append, READ))
    assert amounts and amounts == sorted(amounts) and amounts[-1] >= 5 << 20


def test_a_process_that_has_ended_causes_no_error() -> None:
    process = subprocess.Popen(["true"])
    process.wait()
    amounts: List[int] = []
    transferred(amounts.append, READ)(process.pid)
    assert amounts == []
    transferred(amounts.append, READ)(os.getpid())
    assert len(amounts) == 1


LINES = (
    {"event": "step", "step": "plan", "text": "Making the plan", "total": 0, "unit": "bytes"},
    {"event": "step", "step": "download", "text": "Downloading\x1b", "total": 4 << 20,
     "unit": "bytes"},
    {"event": "progress", "step": "download", "done": 1 << 20, "total": 4 << 20, "unit": "bytes",
     "rate": 1 << 20, "left_s": 3.0},
    {"event": "message", "level": "info", "text": "one\ntwo"},
    {"event": "step-done", "step": "download", "elapsed_s": 4.0},
    {"event": "step-done", "step": "plan", "elapsed_s": 5.1})


def test_the_lines_of_another_run_are_shown_as_text() -> None:
    stream = io.StringIO()
    replay = FollowedSteps(stream)
    for line in LINES:
        replay.show(line)
    assert stream.getvalue().splitlines() == [
        "Making the plan ...", "Downloading\\x1b ...", "one", "two",
        "Downloading\\x1b: done in 4 s", "Making the plan: done in 5 s"]


def test_no_part_of_a_line_of_another_run_reaches_the_terminal_as_it_is(
        monkeypatch: pytest.MonkeyPatch) -> None:
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    FollowedSteps(stream).show({"event": "progress", "step": "a", "done": 1, "unit": "\x1b[2J",
                                "rate": 1})
    assert "\\x1b[2J" in stream.getvalue() and "\x1b[2J" not in stream.getvalue()


def test_on_a_terminal_the_lines_of_another_run_are_bars(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    stream = io.StringIO()
    monkeypatch.setattr(stream, "isatty", lambda: True)
    replay = FollowedSteps(stream)
    for line in LINES:
        replay.show(line)
    assert drawn(stream)[2] == (
        "Downloading\\x1b  [#####               ]  25%  1.0 MiB/s  3 s left")
    assert stream.getvalue().count("\n") == 4
