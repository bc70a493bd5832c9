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
from tests.support.program import Program

pytestmark = [pytest.mark.root, pytest.mark.slow]

# Programs that a merge into a nested ISO starts, in the order of their first start.
STEPS = ("xorriso", "mount", "blkid", "dnf-3", "umount", "mdir", "mcopy", "unsquashfs", "sync",
         "fstrim", "mksquashfs", "implantisomd5", "e2fsck", "checkisomd5")
# For one kind of failure, the programs with different resources in use.
SOME = ("dnf-3", "unsquashfs", "mksquashfs", "xorriso", "e2fsck")
# Words that only occur in the run of a program that writes.
WRITES = {"unsquashfs": "-dest", "dnf-3": " -y", "mksquashfs": "-comp", "xorriso": "-commit"}
FOLDERS = ("/usr/local/sbin", "/usr/local/bin", "/usr/sbin", "/usr/bin", "/sbin", "/bin")


@dataclass(frozen=True)
class Place:
    """The environment of one merge: a folder, and the programs in its path."""

    folder: Path
    programs: Path
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
        return {**environment(), "PATH": str(self.programs), "TMPDIR": str(self.temporary)}

    @property
    def temporary(self) -> Path:
        """The folder for temporary files of programs."""
        return self.folder / "tmp"

    def run(self) -> Answer:
        done = subprocess.run(self.argv(), capture_output=True, text=True, check=False,
                              env=self.environment(), stdin=subprocess.DEVNULL)
        return Answer(done.returncode, done.stdout, done.stderr)

    def play(self, name: str, text: str) -> None:
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


@pytest.fixture
def place(built: support.Fixtures, dnf: Dnf, tmp_path: Path) -> Place:
    for name in ("work", "out", "programs", "tmp"):
        (tmp_path / name).mkdir()
    for folder in reversed(FOLDERS):
        for entry in os.scandir(folder) if os.path.isdir(folder) else ():
            link = tmp_path / "programs" / entry.name
            link.unlink(missing_ok=True)
            link.symlink_to(entry.path)
    image = tmp_path / "node.iso"
    shutil.copyfile(built.iso("old-live"), image)
    plugin = make_plugin(tmp_path, "agent", files={"/opt/agent/text": "hello"},
                         settings=['<kernel-argument name="isv.mode" value="fast"/>'])
    return Place(tmp_path, tmp_path / "programs", image, plugin, Program(tmp_path / "work", dnf))


@pytest.fixture(autouse=True)
def input_is_unchanged(place: Place) -> Iterator[None]:
    """No test may change the input."""
    before = hashlib.sha256(place.image.read_bytes()).hexdigest()
    yield
    assert hashlib.sha256(place.image.read_bytes()).hexdigest() == before


def nothing_remains(place: Place) -> bool:
    """Return whether nothing remains, after the kernel has released loop devices."""
    until = time.monotonic() + 10
    while place.remains() and time.monotonic() < until:
        time.sleep(0.1)
    return not place.remains()


def test_a_merge_starts_each_listed_program(place: Place) -> None:
    log = place.folder / "log"
    for name in STEPS:
        place.play(name, f'echo {name} >>{log}; exec "$real" "$@"')
    answer = place.run()
    assert answer.status == 0, answer.text
    assert list(dict.fromkeys(log.read_text().split())) == list(STEPS)
    assert place.remains() == [str(place.output)]


# without umount nothing can be opened; every system has it
@pytest.mark.parametrize("step", [step for step in STEPS if step != "umount"])
def test_a_missing_program_is_named_and_leaves_nothing(step: str, place: Place) -> None:
    (place.programs / step).unlink()
    answer = place.run()
    assert answer.status not in (0, 1), answer.text
    assert f"{step} cannot be started" in answer.err and "Traceback" not in answer.err
    assert nothing_remains(place), place.remains()


@pytest.mark.parametrize("step", SOME)
def test_a_program_that_fails_leaves_nothing(step: str, place: Place) -> None:
    place.play(step, "echo no luck today >&2; exit 9")
    answer = place.run()
    assert answer.status != 0 and "Traceback" not in answer.err, answer.text
    assert nothing_remains(place), place.remains()


@pytest.mark.parametrize(("step", "sent"), [
    *((step, signal.SIGTERM) for step in STEPS), *((step, signal.SIGKILL) for step in SOME),
    ("mksquashfs", signal.SIGINT)])
def test_a_signal_at_any_step_leaves_nothing(step: str, sent: signal.Signals, place: Place) -> None:
    begun = place.folder / "begun"
    writes = WRITES.get(step, "")
    # the name identifies the process
    place.play(step, f'case " $*" in *"{writes}"*) touch {begun};'
                     f' exec -a "{place.folder}" sleep 60;; esac; exec "$real" "$@"')
    argv = ["env", "--default-signal=INT", *place.argv()]  # a shell's "&" has it ignored
    with subprocess.Popen(argv, env=place.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        until = time.monotonic() + 60
        while not begun.exists() and process.poll() is None and time.monotonic() < until:
            time.sleep(0.02)
        assert begun.exists()
        process.send_signal(sent)
        _, errors = process.communicate(timeout=30)
    if sent == signal.SIGKILL:
        assert process.returncode == -signal.SIGKILL
        until = time.monotonic() + 10  # until the kernel has ended all processes of the namespace
        name = f"{place.folder}\0"
        while time.monotonic() < until and any(line.startswith(name) for line in place.remains()):
            time.sleep(0.1)
        cleaned = place.program("clean", place.output.parent)
        assert cleaned.status == 0, cleaned.text
    else:
        assert process.returncode == 128 + sent
        assert b"Interrupted; nothing was written." in errors
    assert nothing_remains(place), place.remains()


def test_clean_keeps_files_of_a_running_merge(place: Place) -> None:
    begun = place.folder / "begun"
    place.play("mksquashfs", f'touch {begun}; sleep 2; exec "$real" "$@"')
    with subprocess.Popen(place.argv(), env=place.environment(), stdin=subprocess.DEVNULL,
                          stdout=subprocess.DEVNULL, stderr=subprocess.PIPE) as process:
        while not begun.exists() and process.poll() is None:
            time.sleep(0.02)
        cleaned = place.program("clean", place.output.parent)
        assert (cleaned.status, cleaned.out) == (0, "")
        _, errors = process.communicate(timeout=120)
    assert process.returncode == 0, errors
    assert place.output.exists()


@pytest.fixture
def small(place: Place) -> Iterator[Place]:
    """The same environment on a disk of its own that can be filled."""
    disk, at = place.folder / "disk.img", place.folder / "disk"
    with open(disk, "wb") as stream:
        stream.truncate(64 << 20)
    run(["mkfs.ext4", "-q", disk])
    at.mkdir()
    run(["mount", "-o", "loop", disk, at])
    try:
        for name in ("work", "out", "tmp"):
            (at / name).mkdir()
        yield Place(at, place.programs, place.image, place.plugin,
                    Program(at / "work", place.program.dnf))
    finally:
        run(["umount", at])


@pytest.mark.parametrize("step", sorted(WRITES))
def test_a_full_disk_leaves_nothing(step: str, small: Place) -> None:
    filler = small.folder / "filler"
    small.play(step, f'case " $*" in *"{WRITES[step]}"*)'
                     f' dd if=/dev/zero of={filler} bs=64k 2>/dev/null;; esac; exec "$real" "$@"')
    answer = small.run()
    assert answer.status != 0 and "Traceback" not in answer.err, answer.text
    assert filler.stat().st_size > 1 << 20
    filler.unlink()
    assert nothing_remains(small), small.remains()


def test_a_too_small_disk_is_reported_before_the_image_is_unpacked(small: Place) -> None:
    with open(small.folder / "filler", "wb") as stream:
        os.posix_fallocate(stream.fileno(), 0, 40 << 20)
    small.play("unsquashfs", f"touch {small.folder}/unpacked; exit 1")
    answer = small.run()
    assert answer.status == 8, answer.text
    assert "Nothing was written." in answer.err and "--work-dir" in answer.err
    assert not (small.folder / "unpacked").exists()
    assert nothing_remains(small), small.remains()
