"""A program that the tests' server runs meets what a program that is started meets."""
from __future__ import annotations

import os
import subprocess
import sys
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

import pytest

from tests.support import script_server
from tests.support.dnf_runner import environment

_REPORT = """#!/usr/bin/python3
import atexit, os, resource, signal, stat, sys, tempfile, threading
for number in (0, 1, 2):
    print(number, os.isatty(number), os.get_inheritable(number))
print(sorted(os.listdir("/proc/self/fd")))
print(__name__, sys.argv, sys.path, sys.flags, sys.executable, os.getcwd())
print([(stream.encoding, stream.errors, stream.line_buffering)
       for stream in (sys.stdin, sys.stdout, sys.stderr)], sys.stdin.read())
print({number: str(signal.getsignal(number)) for number in sorted(signal.valid_signals())})
print(signal.pthread_sigmask(signal.SIG_BLOCK, ()), signal.set_wakeup_fd(-1))
print(os.umask(0o77), os.nice(0), threading.active_count(), os.getgroups())
print([resource.getrlimit(number) for number in range(16)])
print(sorted(item for item in os.environ.items() if item[0] != "PYTEST_CURRENT_TEST"))
print({name: os.readlink(f"/proc/self/ns/{name}") for name in sorted(os.listdir("/proc/self/ns"))})
print("error", file=sys.stderr)
atexit.register(print, "at the end")
"""


def _script(folder: Path, text: str) -> str:
    file = folder / "report"
    file.write_text(text)
    file.chmod(0o755)
    return str(file)


def _both(argv: list[str], stdin: str = "") -> tuple[script_server.Completed, ...]:
    """Return what came of a run by the server, and of a plain start with the same environment."""
    started = ["/usr/bin/env", *argv]  # which is no script
    return tuple(script_server.run(words, stdin, environment()) for words in (argv, started))


def test_a_served_program_meets_what_a_started_one_meets(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.chdir(tmp_path)
    served, started = _both([_script(tmp_path, _REPORT), "a", "--b=ü"], "from outside\n")
    assert served == started
    assert served.returncode == 0 and served.stderr == "error\n"
    assert "from outside" in served.stdout and served.stdout.endswith("at the end\n")


@pytest.mark.parametrize("end, status", [
    ("sys.exit(7)", 7), ("sys.exit('why')", 1), ("raise SystemExit", 0), ("os._exit(9)", 9),
    ("os.kill(os.getpid(), 15)", -15), ("os.kill(os.getpid(), 2)", -2),
])
def test_a_served_program_ends_as_a_started_one(tmp_path: Path, end: str, status: int) -> None:
    served, started = _both([_script(
        tmp_path, f"#!/usr/bin/python3\nimport os, sys\nprint('before', flush=True)\n{end}\n")])
    assert (served.returncode, served.stdout) == (started.returncode, started.stdout)
    assert served.returncode == status
    assert served.stderr.splitlines()[-1:] == started.stderr.splitlines()[-1:]


def test_the_tests_pass_where_signals_are_ignored(tmp_path: Path) -> None:
    """As under nohup(1), and in a background job of a shell without job control."""
    # a folder of its own: else pytest closes the common one to other users, whom tests run as
    done = subprocess.run(
        ["sh", "-c", "trap '' HUP INT QUIT TERM; exec \"$@\"", "sh", sys.executable, "-m", "pytest",
         "-q", "-p", "no:cacheprovider", f"--basetemp={tmp_path / 'own'}", __file__, "-k",
         "ends_as_a_started_one"],
        cwd=script_server.TOP, capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stdout


def test_runs_of_several_threads_do_not_wait_for_each_other(tmp_path: Path) -> None:
    """The first waits for what the second one does."""
    os.mkfifo(tmp_path / "fifo")
    script = _script(tmp_path, "#!/usr/bin/python3\nimport sys\n"
                               "print(open(*sys.argv[1:]).write('x') if 'w' in sys.argv\n"
                               "      else open(*sys.argv[1:]).read())\n")
    with ThreadPoolExecutor() as pool:
        runs = [pool.submit(script_server.run, [script, str(tmp_path / "fifo"), mode], "",
                            environment()) for mode in ("r", "w")]
        assert [run.result().stdout for run in runs] == ["x\n", "1\n"]


def test_another_environment_is_not_that_of_the_server(tmp_path: Path) -> None:
    script = _script(tmp_path, "#!/usr/bin/python3\nimport os\nprint(os.environ.get('OTHER'))\n")
    for value in (None, "1", "2", None):
        other = {} if value is None else {"OTHER": value}
        done = script_server.run([script], "", {**environment(), **other})
        assert done.stdout == f"{value}\n"
