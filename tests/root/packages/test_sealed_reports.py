"""Reports of a sealed transaction, which a scriptlet may have forged, and DNF's displays."""
from __future__ import annotations

import io
import logging
import sys
from typing import Dict, List

import dnf.cli.output
import dnf.transaction
import pytest

from ovirt_node_plugin.isolation import sealed
from ovirt_node_plugin.packages.displays import PackageMessages
from ovirt_node_plugin.packages.scriptlet_runs import ScriptletReport
from ovirt_node_plugin.packages.sealed_transaction import Reports

pytestmark = [pytest.mark.root]

HUGE = 10 ** 19


class Terminal(io.StringIO):
    """A terminal, on which DNF draws a bar."""

    def isatty(self) -> bool:
        return True


@pytest.fixture
def terminal(monkeypatch: pytest.MonkeyPatch) -> Terminal:
    terminal = Terminal()
    monkeypatch.setattr(sys, "stdout", terminal)
    return terminal


def take(**report: object) -> None:
    whole = {"event": "progress", "item": -1, "name": "forged", "action": 1,
             "counts": [1, 2, 3, 4], **report}
    Reports((), [dnf.cli.output.CliTransactionDisplay()], ScriptletReport()).take(whole)


@pytest.mark.parametrize("action", [*sorted(dnf.transaction.ACTIONS), -1, HUGE])
@pytest.mark.parametrize("counts", [
    [0, 0, 0, 0], [1, 0, 0, 0], [100, 100, 9, 1], [HUGE, 1, 1, 1], [1, HUGE, HUGE, HUGE],
    [True, False, True, False]])
def test_a_display_copes_with_every_number(
        terminal: Terminal, action: int, counts: List[int]) -> None:
    take(action=action, counts=counts)
    assert len(terminal.getvalue()) < 400


@pytest.mark.parametrize("report", [
    {"counts": [None] * 4}, {"counts": [1, None, 1, 1]}, {"counts": [-1, 1, 1, 1]},
    {"counts": [1, -1, 1, 1]}, {"counts": [1.5, 2, 3, 4]}, {"counts": ["1", 2, 3, 4]},
    {"counts": [1, 2, 3]}, {"counts": {}}, {"counts": None}, {"action": None}, {"action": "1"},
    {"action": []}, {"item": 0}, {"item": -2}, {"item": None}, {"item": "0"},
    {"action": dnf.transaction.TRANS_POST}, {"event": "unsealed"}, {"event": None},
    *({"event": "scriptlet", "changed": changed} for changed in (None, "etc", [1], 7)),
    *({"event": "message", "level": level} for level in (None, "20", -1, 51, HUGE, 20.5))], ids=str)
def test_a_report_that_is_never_sent_ends_the_transaction(
        terminal: Terminal, report: Dict[str, object]) -> None:
    with pytest.raises(sealed.Ended):
        take(**report)
    assert terminal.getvalue() == ""


def test_the_end_has_no_numbers(terminal: Terminal) -> None:
    take(action=dnf.transaction.TRANS_POST, counts=[None] * 4)
    assert terminal.getvalue() == ""


def test_a_message_is_printed_only_where_dnf_would_print_it(terminal: Terminal) -> None:
    logger, handler = logging.getLogger("dnf"), logging.StreamHandler(terminal)
    handler.setLevel(logging.WARNING)
    logger.addHandler(handler)
    try:
        take(event="message", level=logging.INFO, text="forged")
        assert terminal.getvalue() == ""
        take(event="message", level=logging.WARNING, text="\x1b[2Jforged %s")
        assert terminal.getvalue() == "\\x1b[2Jforged %s\n"
    finally:
        logger.removeHandler(handler)


def test_output_of_scriptlets_is_text_although_dnf_reads_bytes(
        caplog: pytest.LogCaptureFixture) -> None:
    with caplog.at_level(logging.INFO, "dnf"):
        PackageMessages().scriptout(b"one\ntwo \xc3\xa9 \xff\x1b\n")
    assert caplog.messages == ["one\ntwo é \\xff\\x1b"]
