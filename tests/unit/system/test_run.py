"""The function that starts every program."""
from __future__ import annotations

import os
import sys
from pathlib import Path
from typing import List, Sequence

import pytest

from ovirt_node_plugin.errors import CommandError, RolledBack, Status
from ovirt_node_plugin.isolation import program
from ovirt_node_plugin.system import run as programs
from ovirt_node_plugin.system.run import run

pytestmark = pytest.mark.unit


def python(code: str) -> "list[str]":
    """Return the argument list that runs Python code."""
    return [sys.executable, "-c", code]


def test_the_output_is_returned_as_text() -> None:
    assert run(python("print('höhe')")) == "höhe\n"


def test_input_is_passed_to_the_program() -> None:
    assert run(python("import sys; print(sys.stdin.read()[::-1])"), stdin=b"abc") == "cba\n"


def test_no_shell_interprets_arguments(tmp_path: Path) -> None:
    word = f"$(touch {tmp_path}/x); `id` > {tmp_path}/y * \n '\""
    assert run([*python("import sys; sys.stdout.write(sys.argv[1])"), word]) == word
    assert list(tmp_path.iterdir()) == []


SEALED: Sequence[str] = [os.fspath(word) for word in program.argv(
    Path("/r"), ["/usr/sbin/depmod", "-a"])]


@pytest.mark.parametrize(("argv", "expected"), [
    (["/bin/sh", "-c", "echo a >&2; echo b >&2; exit 5"], "sh ended with status 5:\n  a\n  b"),
    (["prlimit", "--fsize=5", "--core=0", "sh", "-c", "exit 1"], "sh ended with status 1"),
    (["sh", "-c", "kill -KILL $$"], "sh ended with signal 9"),
    (["sh", "-c", "seq 9 >&2; exit 2"], "sh ended with status 2:\n  5\n  6\n  7\n  8\n  9"),
    ([*SEALED[:3], "raise SystemExit(4)", *SEALED[4:]], "depmod ended with status 4"),
])
def test_a_failed_program_is_named_without_its_arguments(
        argv: List[str], expected: str) -> None:
    with pytest.raises(CommandError) as caught:
        run(argv)
    assert caught.value.message == expected
    assert caught.value.argv == tuple(argv)


def test_messages_are_in_the_c_locale(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("LC_ALL", "de_DE.UTF-8")
    assert run(python("import os; print(os.environ['LC_ALL'])")) == "C.UTF-8\n"


def test_an_unaccepted_status_is_an_error_with_the_output() -> None:
    argv = python("import sys; sys.stderr.write('no disk\\n'); sys.exit(3)")
    with pytest.raises(CommandError, match="^python3? ended with status 3:\n  no disk$") as caught:
        run(argv)
    assert caught.value.argv == tuple(argv)
    assert (caught.value.returncode, caught.value.output) == (3, "no disk")
    assert caught.value.status == Status.ROLLED_BACK
    assert run(argv, ok=(0, 3)) == ""


def test_a_program_ended_by_a_signal_is_an_error() -> None:
    with pytest.raises(CommandError) as caught:
        run(python("import os; os.kill(os.getpid(), 9)"))
    assert caught.value.returncode == -9


def test_a_missing_program_is_named_with_a_hint() -> None:
    with pytest.raises(CommandError, match="no-such-program cannot be started") as caught:
        run(["no-such-program", "-x"])
    assert caught.value.returncode is None
    assert "Install the program no-such-program" in caught.value.hint


def test_output_that_is_no_text_causes_no_crash() -> None:
    assert "\ufffd" in run(python("import os; os.write(1, b'\\xff')"))


def test_a_program_that_prints_without_end_is_stopped() -> None:
    with pytest.raises(CommandError) as caught:
        run(["yes"])
    assert caught.value.message == "yes printed more than 67108864 bytes"


def test_much_input_and_output_do_not_block_one_another() -> None:
    text = "0123456789" * 200_000
    assert run(["cat"], stdin=text.encode()) == text
    assert run(["true"], stdin=text.encode()) == ""


def test_a_program_is_polled_also_after_it_closed_its_output() -> None:
    processes: "list[int]" = []
    assert run(["sh", "-c", "exec >&- 2>&-; sleep 0.7"], polled=processes.append) == ""
    assert processes
    assert set(processes) == {processes[0]}


@pytest.mark.parametrize("argv", [["cat", "FIFO"], ["sh", "-c", "exec >&- 2>&-; read line <FIFO"],
                                  ["sh", "-c", "while echo; do sleep 0.01; done"]])
def test_a_program_that_waits_for_ever_is_killed(
        tmp_path: Path, monkeypatch: pytest.MonkeyPatch, argv: List[str]) -> None:
    os.mkfifo(tmp_path / "fifo")
    monkeypatch.setattr(programs, "PROGRAM_S", 0.1)
    words = [word.replace("FIFO", str(tmp_path / "fifo")) for word in argv]
    with pytest.raises(CommandError, match=f"^{argv[0]} did not end within") as caught:
        programs.run_on_root(words)
    assert "-type p" in str(caught.value.hint)


def test_a_program_that_ends_in_time_gives_its_output() -> None:
    processes: List[int] = []
    assert programs.run_on_root(["cat"], stdin=b"text", polled=processes.append) == "text"
    with pytest.raises(CommandError, match="status 3"):
        programs.run_on_root(["sh", "-c", "exit 3"])


@pytest.mark.parametrize(("printed", "hint"), [
    ("mksquashfs: Write failed because No space left on device", "the disk"),
    ("read error: Input/output error", "the disk"), ("unknown option", "another"),
    ("", "another")])
def test_a_disk_is_suspected_only_if_the_program_reports_it(printed: str, hint: str) -> None:
    with pytest.raises(RolledBack, match="it fails: ") as caught, programs.explained(
            "it fails", hint="another", disk_hint="the disk"):
        run(python(f"import sys; sys.exit({printed!r} or 1)"))
    assert caught.value.hint == hint
