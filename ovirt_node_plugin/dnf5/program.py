"""The program that DNF 5's actions plugin starts at its hooks."""
from __future__ import annotations

import sys
from typing import Callable, Mapping, Sequence, TextIO

from ..config import Config
from ..errors import NodePluginError
from . import policy
from .conversation import Conversation

HOOKS: Mapping[str, Callable[[Conversation, Config], None]] = {
    "repos": policy.switch_off, "transaction": policy.check}


def main(argv: Sequence[str], *, requests: TextIO = sys.stdout,
         replies: TextIO = sys.stdin) -> int:
    """Keep the rules at one hook; return the exit status, which is 0 only if all went well.

    Whatever goes wrong stops DNF: by a message, or by the status, at which the actions
    plugin raises an error (raise_error=1).
    """
    talk = Conversation(requests, replies)
    try:
        config = policy.read_options()
        if config is not None:
            HOOKS[argv[0]](talk, config)
    except NodePluginError as exc:
        # the command is dnf-3's where dnf is DNF 5
        talk.stop(str(exc).replace("dnf node-plugin", "dnf-3 node-plugin"))
        return 1
    except Exception as exc:  # noqa: BLE001  # a fault of ours: nothing may go on
        talk.stop(f"node-plugin policy: {type(exc).__name__}: {exc}")
        return 1
    return 0
