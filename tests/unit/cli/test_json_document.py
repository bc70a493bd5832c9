"""The lines that a run prints for programs."""
from __future__ import annotations

import atexit
import json
import logging

import pytest

from ovirt_node_plugin.cli import json_document
from ovirt_node_plugin.cli.json_document import JsonDocument

pytestmark = pytest.mark.unit


def test_messages_without_end_are_left_out(
        monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    monkeypatch.setattr(atexit, "register", lambda _: None)
    monkeypatch.setattr(json_document, "MESSAGES_CHARACTERS", 10)
    logger = logging.Logger("dnf of the test")
    document = JsonDocument(logger, lines=True, messages=True)
    for text in ("five.", "5\n67.", "one more", "and another"):
        logger.warning("%s", text)
    document.print({"done": True})
    lines = [json.loads(line) for line in capsys.readouterr().out.splitlines()]
    assert [line.get("text", line["event"]) for line in lines] == [
        "five.", "5\n67.", "The other messages are left out, as they are too long.", "result"]
