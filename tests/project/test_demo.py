"""``tools/demo``, which a new user runs first."""
from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path
from typing import List, Sequence

import pytest

from tests.support.dnf_runner import TOP

DEMO = "tools/demo"


def call(*words: str, top: Path = TOP, tmp: Path = Path("/tmp"),
         wrap: Sequence[str] = ()) -> "subprocess.CompletedProcess[str]":
    return subprocess.run([*wrap, str(top / DEMO), *words], cwd="/", text=True,
                          stdin=subprocess.DEVNULL, stdout=subprocess.PIPE,
                          stderr=subprocess.PIPE, env={**os.environ, "TMPDIR": str(tmp)},
                          check=False)


@pytest.fixture
def clone(tmp_path: Path) -> Path:
    """A fresh clone: the files of the project without generated ones."""
    listed = subprocess.run([str(TOP / "tools/sources")], stdout=subprocess.PIPE, check=True)
    top = tmp_path / "a clone"
    for name in filter(None, listed.stdout.decode().split("\0")):
        (top / name).parent.mkdir(parents=True, exist_ok=True)
        shutil.copy2(TOP / name, top / name, follow_symlinks=False)
    return top


def entries(folder: Path) -> List[str]:
    """Return every entry below a folder except compiled Python files."""
    return sorted(str(path) for path in folder.rglob("*") if "__pycache__" not in path.parts)


@pytest.mark.slow
def test_the_demo_shows_the_main_job_from_a_bare_clone(clone: Path, tmp_path: Path) -> None:
    before = entries(clone)
    tmp = tmp_path / "tmp"
    tmp.mkdir()
    done = call(top=clone, tmp=tmp)
    assert done.returncode == 0, done.stdout + done.stderr
    for line in ("Installed plugin cim 1.0.", "Installed plugin storage 1.0.",
                 "Installed plugin snmp 1.0.", "60_acme_storage", "You need a newer Node ISO.",
                 "storage 1.0: ok", "Nesting      : iso > squashfs",
                 "Removed plugin cim 1.0.", "No plugins."):
        assert line in done.stdout, line
    assert "needs libvirt >= 10; the image has libvirt-9.0.0-1" in done.stdout
    assert done.stdout.splitlines()[-1].startswith("No difference in ")
    assert entries(tmp) == [] and entries(clone) == before


@pytest.mark.slow
def test_the_demo_can_run_twice_in_one_folder(tmp_path: Path) -> None:
    folder = tmp_path / "here"
    for word in (f"--dir={folder}", f"--dir={folder}"):
        done = call(word)
        assert done.returncode == 0, done.stdout + done.stderr
        assert f"What it made is in {folder}" in done.stdout.splitlines()[-1]
    assert (folder / "node/etc/os-release").is_symlink()


def test_a_foreign_folder_is_not_changed(tmp_path: Path) -> None:
    (tmp_path / "letters").touch()
    done = call("--dir", str(tmp_path))
    assert done.returncode != 0 and "is not empty" in done.stderr
    assert entries(tmp_path) == [str(tmp_path / "letters")]


def test_a_folder_name_with_a_comma_or_blank_is_refused(tmp_path: Path) -> None:
    done = call("--dir", str(tmp_path / "my demo"))
    assert done.returncode != 0 and "a blank or a comma" in done.stderr
    assert entries(tmp_path) == []


def test_an_unknown_option_is_refused_and_help_prints_the_head_of_the_script() -> None:
    refused, helped = call("--nothing"), call("--help")
    assert refused.returncode != 0 and "--nothing" in refused.stderr and refused.stdout == ""
    assert helped.returncode == 0 and "tools/demo [--dir DIR]" in helped.stdout


def test_the_demo_requires_root(clone: Path, tmp_path: Path) -> None:
    folder = clone
    while folder != Path("/tmp") and folder != folder.parent:
        folder.chmod(0o755)
        folder = folder.parent
    done = call(top=clone, wrap=["setpriv", "--reuid=65534", "--regid=65534", "--clear-groups"])
    assert done.returncode != 0 and "run as root" in done.stderr
