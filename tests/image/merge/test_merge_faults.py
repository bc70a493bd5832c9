"""A merge that stops at any step leaves no files and does not change the input."""
from __future__ import annotations

import contextlib
import hashlib
import os
import shutil
import signal
import subprocess
import time
from dataclasses import dataclass
from pathlib import Path
from typing import Dict, Iterator, List

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Answer, Dnf, environment
from tests.support.program import Program, check_messages

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Programs that a merge into a nested ISO starts, in the order of their first start.
STEPS = ("xorriso", "mount", "blkid", "mdir", "mcopy", "dnf-3", "umount", "unsquashfs", "sync",
         "fstrim", "mksquashfs", "implantisomd5", "e2fsck", "checkisomd5")
# Of these, programs that run while different resources are in use
KEY_STEPS = ("dnf-3", "unsquashfs", "mksquashfs", "xorriso", "e2fsck")
# Words that only occur in the run of a program that writes.
WRITES = {"unsquashfs": "-dest", "dnf-3": " -y", "mksquashfs": "-comp", "xorriso": "-commit"}
FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class MergeSetup:
    """The folder, programs, image and plugin of one merge.

    ``programs`` has links to those of ``STEPS``, which a test may replace or remove, and
    ``others``, which all tests share, links to all other programs.
    """

    folder: Path
    programs: Path
    others: Path
    image: Path
    plugin: Path
    program: Program

    @property
    def output(self) -> Path:
        return self.folder / "out/merged.iso"

    def argv(self) -> List[str]:
        return self.program.argv("merge", self.image, self.plugin, "-o", self.output, "-y",
                                 UNSIGNED)

    def environment(self) -> Dict[str, str]:
        return {**environment(), "PATH": f"{self.programs}:{self.others}",
                "TMPDIR": str(self.temporary)}

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of programs."""
        return self.folder / "tmp"

    def run(self) -> Answer:
        done = subprocess.run(self.argv(), capture_output=True, text=True, check=False,
                              env=self.environment(), stdin=subprocess.DEVNULL)
        check_messages(done.stdout + done.stderr)
        return Answer(done.returncode, done.stdout, done.stderr)

    def replace_program(self, name: str, text: str) -> None:
        """Replace a program with a shell script; ``real`` in it runs the program."""
        real = os.readlink(self.programs / name)
        (self.programs / name).unlink()
        (self.programs / name).write_text(f"#!/bin/bash\nreal={real}\n{text}\n")
        (self.programs / name).chmod(0o755)

    def remains(self) -> List[str]:
        """Return the remains of a merge: files, mounts, loop devices, processes."""
        remains = [str(path) for folder in (self.program.work, self.output.parent, self.temporary)
                 for path in folder.iterdir()]
        remains += [line for line in Path("/proc/self/mounts").read_text().splitlines()
                  if str(self.program.work) in line]
        devices = run(["losetup", "--list", "--noheadings", "--output", "BACK-FILE"])
        remains += [line for line in devices.splitlines()
                  if str(self.program.work) in line or str(self.image) in line]
        for process in Path("/proc").glob("[0-9]*/cmdline"):
            with contextlib.suppress(OSError):
                if str(self.folder).encode() in process.read_bytes():
                    remains.append(process.read_text())
        return remains


@pytest.fixture(scope="module")
def others(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with a link to each program of this machine but those of ``STEPS``."""
    made = tmp_path_factory.mktemp("others")
    found = {entry.name: entry.path for folder in reversed(FOLDERS) if os.path.isdir(folder)
             for entry in os.scandir(folder)}
    for name in found.keys() - set(STEPS):
        (made / name).symlink_to(found[name])
    return made


@pytest.fixture
def setup(built: support.Fixtures, dnf: Dnf, others: Path, tmp_path: Path) -> MergeSetup:
    for name in ("work", "out", "programs", "tmp"):
        (tmp_path / name).mkdir()
    for step in STEPS:
        program = shutil.which(step, path=":".join(FOLDERS))
        assert program, step
        (tmp_path / "programs" / step).symlink_to(program)
    image = tmp_path / "node.iso"
    shutil.copyfile(built.iso("old-live"), image)
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"},
                         settings=['<kernel-argument name="isv.mode" value="fast"/>'])
    return MergeSetup(folder=tmp_path, programs=tmp_path / "programs", others=others,
                      image=image, plugin=plugin, program=Program(tmp_path / "work", dnf))


@pytest.fixture(autouse=True)
def input_is_unchanged(setup: MergeSetup) -> Iterator[None]:
    """No test may change the input."""
    before = hashlib.sha256(setup.image.read_bytes()).hexdigest()
    yield
    assert hashlib.sha256(setup.image.read_bytes()).hexdigest() == before


def nothing_remains(setup: MergeSetup) -> bool:
    """Return whether nothing remains, after the kernel has released loop devices."""
    until = time.monotonic() + 10
    while setup.remains() and time.monotonic() < until:
        time.sleep(0.1)
    return not setup.remains()


def test_a_merge_starts_each_listed_program(setup: MergeSetup) -> None:
    log = setup.folder / "log"
    for name in STEPS:
        setup.replace_program(name, f'echo {name} >>{log}; exec "$real" "$@"')
    answer = setup.run()
    assert answer.status == 0, answer.text
    assert list(dict.fromkeys(log.read_text().split())) == list(STEPS)
    assert setup.remains() == [str(setup.output)]


# without umount nothing can be opened; every system has it
@pytest.mark.parametrize("step", [step for step in STEPS if step != "umount"])
def test_a_missing_program_is_named_and_leaves_nothing(step: str, setup: MergeSetup) -> None:
    (setup.programs / step).unlink()
    answer = setup.run()
    assert answer.status not in (0, 1), answer.text
    assert f"{step} cannot be started" in answer.err and "Traceback" not in answer.err
    assert nothing_remains(setup), setup.remains()


@pytest.mark.parametrize("step", KEY_STEPS)
def test_a_program_that_fails_leaves_nothing(step: str, setup: MergeSetup) -> None:
    setup.replace_program(step, "echo no luck today >&2; exit 9")
    answer = setup.run()
    assert answer.status != 0 and "Traceback" not in answer.err, answer.text
    assert nothing_remains(setup), setup.remains()


@pytest.mark.parametrize(("step", "sent"), [
    *((step, signal.SIGTERM) for step in STEPS), *((step, signal.SIGKILL) for step in KEY_STEPS),
    ("mksquashfs", signal.SIGINT)])
def test_a_signal_at_any_step_leaves_nothing(
        step: str, sent: signal.Signals, setup: MergeSetup) -> None:
    begun = setup.folder / "begun"
    writes = WRITES.get(step, "")
    # the name identifies the process
    setup.replace_program(step, f'case " $*" in *"{writes}"*) touch {begun};'
                     f' exec -a "{setup.folder}" sleep 60;; esac; exec "$real" "$@"')
    argv = ["env", "--default-signal=INT", *setup.argv()]  # a shell's "&" has it ignored
    with subprocess.Popen(argv, env=setup.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 300
        while not begun.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert begun.exists()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=120)
    if sent == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        until = time.monotonic() + 60  # until the kernel has ended all processes of the namespace
        name = f"{setup.folder}\0"
        while time.monotonic() < until and any(line.startswith(name) for line in setup.remains()):
            time.sleep(0.1)
        cleaned = setup.program("clean", setup.output.parent)
        assert cleaned.status == 0, cleaned.text
    else:
        assert process.returncode == 128 + sent
        assert b"Interrupted; nothing was written." in errors
    assert nothing_remains(setup), setup.remains()


def test_clean_keeps_files_of_a_running_merge(setup: MergeSetup) -> None:
    begun = setup.folder / "begun"
    setup.replace_program("mksquashfs", f'touch {begun}; sleep 2; exec "$real" "$@"')
    with subprocess.Popen(setup.argv(), env=setup.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.02)
        cleaned = setup.program("clean", setup.output.parent)
        assert (cleaned.status, cleaned.out) == (0, "")
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert setup.output.exists()


@pytest.fixture
def small_disk(setup: MergeSetup) -> Iterator[MergeSetup]:
    """The same setup on a separate small disk that can be filled."""
    disk, at = setup.folder / "disk.img", setup.folder / "disk"
    with open(disk, "wb") as stream:
        stream.truncate(64 << 20)
    run(["mkfs.ext4", "-q", disk])
    at.mkdir()
    run(["mount", "-o", "loop", disk, at])
    try:
        for name in ("work", "out", "tmp"):
            (at / name).mkdir()
        yield MergeSetup(folder=at, programs=setup.programs, others=setup.others,
                         image=setup.image, plugin=setup.plugin,
                         program=Program(at / "work", setup.program.dnf))
    finally:
        run(["umount", at])


@pytest.mark.parametrize("step", sorted(WRITES))
def test_a_full_disk_leaves_nothing(step: str, small_disk: MergeSetup) -> None:
    filler = small_disk.folder / "filler"
    small_disk.replace_program(step, f'case " $*" in *"{WRITES[step]}"*)'
                     f' dd if=/dev/zero of={filler} bs=64k 2>/dev/null;; esac; exec "$real" "$@"')
    answer = small_disk.run()
    assert answer.status != 0 and "Traceback" not in answer.err, answer.text
    assert filler.stat().st_size > 1 << 20
    filler.unlink()
    assert nothing_remains(small_disk), small_disk.remains()


def test_a_too_small_disk_is_reported_before_the_image_is_unpacked(small_disk: MergeSetup) -> None:
    with open(small_disk.folder / "filler", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 40 << 20)
    small_disk.replace_program("unsquashfs", f"touch {small_disk.folder}/unpacked; exit 1")
    answer = small_disk.run()
    assert answer.status == 8, answer.text
    assert "Nothing was written." in answer.err and "--work-dir" in answer.err
    assert not (small_disk.folder / "unpacked").exists()
    assert nothing_remains(small_disk), small_disk.remains()
