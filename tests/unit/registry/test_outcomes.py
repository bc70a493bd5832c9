"""Outcomes of settings: written as text and read back."""
from __future__ import annotations

import pytest

from ovirt_node_plugin.registry.outcomes import from_text, to_text
from ovirt_node_plugin.undo.changes import Outcome

pytestmark = pytest.mark.unit


@pytest.mark.parametrize(("outcome", "text"), [
    ({}, ""),
    ({"uid": "998", "gid": "998", "home": "/var/lib/x+y", "shell": "", "new": "yes"},
     "uid=998 gid=998 home=/var/lib/x+y shell= new=yes"),
    ({"5989/tcp": None, "5990-6000/udp": None}, "5989/tcp 5990-6000/udp"),
    ({"was": "4096 87380", "left": ""}, "was=4096%2087380 left="),
    ({"was": "/run/a,/run/b:c", "left": "a=b%+"}, "was=/run/a,/run/b:c left=a%3Db%25%2B"),
])
def test_an_outcome_is_read_as_it_was_written(outcome: Outcome, text: str) -> None:
    assert to_text(outcome) == text
    assert from_text(text) == outcome
    assert list(from_text(text)) == list(outcome)
