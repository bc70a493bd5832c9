"""Errors of the system are told with their paths, and errors of the command line in JSON."""
from __future__ import annotations

import errno
import json
import os
from pathlib import Path
from typing import Any, List

import pytest

from ovirt_node_plugin.cli.main import _run_handler, main
from ovirt_node_plugin.errors import NodePluginError
from tests.support import schemas

pytestmark = pytest.mark.unit


class Failures:
    """Stands for the invocation of a command, and keeps its error."""

    def __init__(self) -> None:
        self.messages: List[str] = []

    def failed(self, error: NodePluginError) -> int:
        self.messages.append(error.message)
        return int(error.status)


def test_the_message_names_the_file_that_could_not_be_written() -> None:
    invocation: Any = Failures()

    def write(_: object) -> int:
        with open("/dev/full", "wb", buffering=0) as stream:
            return stream.write(b"x")

    def copy(_: object) -> int:  # as shutil raises it
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), "built.rpm", None, "site/node.rpm")

    def read(_: object) -> int:
        return len(Path("missing/image.iso").read_bytes())

    for handler in (write, copy, read):
        assert _run_handler(invocation, handler) != 0
    assert invocation.messages == ["No space left on device",
                                   "No space left on device: site/node.rpm",
                                   "No such file or directory: missing/image.iso"]


@pytest.mark.parametrize("command", [*schemas.PROGRAM_ANSWERS, "clean", "bogus"])
def test_an_invalid_command_line_with_json_has_an_answer(
        command: str, capsys: pytest.CaptureFixture[str]) -> None:
    for words in ([command, "--json", "--nonsense"], [command, "--nonsense"]):
        with pytest.raises(SystemExit) as caught:
            main(words)
        assert caught.value.code == 2
        printed = capsys.readouterr()
        assert "usage: " in printed.err
        if "--json" not in words:
            assert printed.out == ""
            continue
        answer = schemas.validated_answer(
            json.loads(printed.out), schemas.PROGRAM_ANSWERS.get(command, ""))
        assert answer["error"]["status"] == 2
        assert (answer.get("event") == "error") == (command == "merge")
