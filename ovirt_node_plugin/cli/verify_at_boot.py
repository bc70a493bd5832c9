"""Verify the plugins of the running system at boot, and show the result to people and VDSM.

The unit ovirt-node-plugin-verify.service runs this. It prints to the journal, writes a line to the
message of the day for each problem's plugin, which pam_motd(8) shows, and the problems for VDSM.
"""
from __future__ import annotations

import json
import os
import sys
from pathlib import Path
from typing import List, Union

from ..errors import CommandError, NodePluginError, Status
from ..operations.model.answers import VerifyAnswer
from ..operations.model.next_steps import repair_text
from ..operations.model.results import REMOVED
from ..registry import store
from ..registry.places import ETC
from ..report import plan_text
from ..system import json_answer
from ..system.entries import write_atomic
from ..system.path_sets import BOOT_PROBLEMS
from ..system.run import Runner, run
from ..system.words import printable

MOTD = "run/motd.d/ovirt-node-plugin"


def main(root: Path = Path("/"), *, runner: Runner = run) -> int:
    """Verify the plugins of ``root``, which is ``/`` but in tests; return the exit status.

    It is that of ``dnf node-plugin verify --reconcile``: 0 if all plugins are sound.
    """
    try:
        answer = _verify(runner)
    except NodePluginError as exc:
        print(printable(str(exc), keep="\n"), file=sys.stderr)
        _show(root, f"Node plugins could not be verified: {exc}".splitlines())
        return int(exc.status) or 1
    for line in (*plan_text.corrections(answer.corrections),
                 *plan_text.checks(answer.plugins, next_step=answer.next_step)):
        print(printable(line))
    _show(root, _motd(answer))
    _write_problems(root, answer)
    return int(Status.DONE if answer.ok else Status.BROKEN)


def _verify(runner: Runner) -> VerifyAnswer:
    try:
        answer: Union[VerifyAnswer, json_answer.ErrorAnswer] = json_answer.read(
            VerifyAnswer, json.loads(runner(["dnf-3", "--quiet", "node-plugin", "verify",
                                             "--reconcile", "--json"], ok=range(256))))
    except (CommandError, ValueError) as exc:
        raise NodePluginError("dnf-3 gave no answer to verify",
                              hint="Run: dnf node-plugin verify") from exc
    if isinstance(answer, json_answer.ErrorAnswer):
        raise NodePluginError(answer.message, hint=answer.hint)
    return answer


def _motd(answer: VerifyAnswer) -> List[str]:
    """Return the lines for the message of the day: none if all is sound."""
    lines = [f"Node plugin {check.name} {check.version} is broken: {check.problems[0]}"
             for check in answer.plugins if check.problems]
    if lines:
        lines.append(repair_text(answer.next_step) if answer.next_step
                     else "Run: dnf node-plugin verify")
    lines += [f"Node plugin {each.plugin} is not in this image. Its record was removed."
              for each in answer.corrections
              if each.action == REMOVED and each.path == f"/{ETC.record(each.plugin)}"]
    return lines


def _show(root: Path, lines: List[str]) -> None:
    _write(root / MOTD, "".join(f"{printable(line)}\n" for line in lines))


def _write_problems(root: Path, answer: VerifyAnswer) -> None:
    """Write the first problem of each broken plugin for VDSM's hook.

    With each is the mtime of its record: the hook ignores problems of another record, such as
    that of a repair since.
    """
    problems = {}
    for check in answer.plugins:
        record = root / store.record_path(root, check.name)
        if check.problems and record.is_file():
            problems[check.name] = [os.stat(record).st_mtime_ns, check.problems[0]]
    _write(root / BOOT_PROBLEMS, json.dumps(problems) if problems else "")


def _write(path: Path, text: str) -> None:
    """Replace a file in /run, or remove it if there is no text."""
    if text:
        path.parent.mkdir(mode=0o755, parents=True, exist_ok=True)
        write_atomic(path, text.encode())
    else:
        path.unlink(missing_ok=True)
