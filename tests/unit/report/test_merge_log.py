"""The log of a merge."""
from __future__ import annotations

from typing import Any, List

import pytest

from ovirt_node_plugin.report.merge_log import logged_runner

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("words", "shown"), [
    (["a b", "c"], "'a b' c"), (["x"] * 200, " ".join(["x"] * 200)),
    (["x"] * 203, " ".join(["x"] * 200) + " and 3 more")])
def test_a_long_command_line_is_shortened(words: List[str], shown: str) -> None:
    started: List[Any] = []
    lines: List[str] = []

    def start(argv: Any, **_: Any) -> str:
        started.append(argv)
        return "output"
    assert logged_runner(start, lines.append)(words) == "output"
    assert started == [words]
    assert [line.rpartition(" (")[0] for line in lines] == [f"program: {shown}: done"]
