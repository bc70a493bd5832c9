"""Scriptlets in an image have device nodes while they run; the image's /dev stays empty."""
from __future__ import annotations

import os
import shutil
import signal
import subprocess
import time
from pathlib import Path
from typing import List

import pytest

from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, environment, succeeded
from tests.support.tree_states import state_differences, tree_state

pytestmark = [pytest.mark.root]

SECTIONS = ("pre", "post", "preun", "postun", "posttrans")
WRITE = "echo noise >/dev/null; echo noise >/dev/null-$1-own"
# Fails without devices, and with regular files in their place.
READ = ('test -c /dev/null && test "$(head -c 4 /dev/zero | od -An -tx4)" = " 00000000"'
        ' && test "$(head -c 9 /dev/urandom | wc -c)" = 9 && ! cat /dev/null | grep -q .'
        ' && ! echo x >/dev/full && head -c 1 /dev/random >/dev/null')
NO_MOUNTS = ("setpriv", "--bounding-set=-sys_admin", "--")


@pytest.fixture
def image(node: Path) -> Path:
    """A Node image with an empty /dev, as after an image's build."""
    shutil.rmtree(node / "dev")
    (node / "dev").mkdir(mode=0o755)
    return node


def mounts_below(root: Path) -> List[str]:
    return [line for line in Path("/proc/self/mountinfo").read_text().splitlines()
            if str(root) in line]


@pytest.mark.parametrize("section", SECTIONS)
def test_a_scriptlet_that_writes_to_devices_leaves_no_file(
        dnf: Dnf, image: Path, tmp_path: Path, section: str) -> None:
    bundle = make_plugin(tmp_path, "noisy", scriptlets={section: WRITE})
    before = tree_state(image)
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    assert os.listdir(image / "dev") == []
    succeeded(dnf.plugin(image, "verify"))
    succeeded(dnf.plugin(image, "remove", "-y", "noisy"))
    assert state_differences(before, tree_state(image)) == []
    assert mounts_below(image) == []


def test_a_scriptlet_can_read_devices(dnf: Dnf, image: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "reader", scriptlets={"pre": READ, "post": READ})
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    assert os.listdir(image / "dev") == []


def test_existing_files_in_the_images_dev_are_not_changed(dnf: Dnf, image: Path,
                                                          tmp_path: Path) -> None:
    (image / "dev/null").write_text("left by the image's build\n")
    before = tree_state(image)
    bundle = make_plugin(tmp_path, "noisy", scriptlets={"post": f"{WRITE}; {READ}"})
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    succeeded(dnf.plugin(image, "remove", "-y", "noisy"))
    assert state_differences(before, tree_state(image)) == []


def test_a_failed_install_leaves_the_images_dev_empty(
        dnf: Dnf, image: Path, tmp_path: Path) -> None:
    before = tree_state(image)
    bundle = make_plugin(tmp_path, "bad", scriptlets={"pre": f"{WRITE}; exit 1"})
    assert dnf.plugin(image, "install", "-y", UNSIGNED, bundle).status == 8
    assert state_differences(before, tree_state(image)) == []


def test_a_killed_install_leaves_no_mount_and_no_file(
        dnf: Dnf, image: Path, tmp_path: Path) -> None:
    before = tree_state(image)
    bundle = make_plugin(tmp_path, "slow", scriptlets={
        "post": f"{WRITE}; touch /etc/scriptlet-runs; sleep 600"})
    process = subprocess.Popen(
        dnf.argv(image, "node-plugin", "install", "-y", UNSIGNED, bundle), env=environment(),
        stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, start_new_session=True)
    while not (image / "etc/scriptlet-runs").exists():
        assert process.poll() is None
        time.sleep(0.05)
    os.killpg(process.pid, signal.SIGKILL)  # the scriptlet as well
    process.wait()
    assert mounts_below(image) == [] and os.listdir(image / "dev") == []
    assert "undone" in dnf.plugin(image, "verify").text
    assert state_differences(before, tree_state(image)) == []


def test_files_in_dev_are_removed_when_mounts_are_not_permitted(
        image: Path, tmp_path: Path) -> None:
    dnf = Dnf(tmp_path / "dnf", prefix=NO_MOUNTS)
    before = tree_state(image)
    answer = dnf.plugin(image, "install", UNSIGNED, make_plugin(tmp_path, "other"))
    assert answer.status != 0 and "set isolation = off" in answer.text, answer.text
    assert "Is this ok" not in answer.text
    dnf.configure(isolation="off")
    bundle = make_plugin(tmp_path, "noisy", scriptlets={
        "post": f"{WRITE}; mkdir /dev/folder; touch /dev/folder/x; ! test -c /dev/null"})
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    assert os.listdir(image / "dev") == []
    succeeded(dnf.plugin(image, "remove", "-y", "noisy"))
    assert state_differences(before, tree_state(image)) == []


def test_a_package_file_in_dev_exists_until_the_plugin_is_removed(
        dnf: Dnf, host: Path, tmp_path: Path) -> None:
    shutil.rmtree(host / "dev")
    (host / "dev").mkdir(mode=0o755)
    bundle = make_plugin(tmp_path, "owner", files={"/dev/acme/seed": "seed"},
                         scriptlets={"post": WRITE})
    succeeded(dnf.plugin(host, "install", "-y", UNSIGNED, bundle))
    assert os.listdir(host / "dev") == ["acme"]
    assert (host / "dev/acme/seed").read_text() == "seed\n"
    succeeded(dnf.plugin(host, "verify"))
    succeeded(dnf.plugin(host, "remove", "-y", "owner"))
    assert not (host / "dev/acme/seed").exists()


def test_a_dev_that_a_scriptlet_replaces_by_a_link_empties_no_folder_of_this_machine(
        dnf: Dnf, host: Path, tmp_path: Path) -> None:
    outside = tmp_path / "outside"
    (outside / "folder").mkdir(parents=True)
    (outside / "file").write_text("of this machine")
    bundle = make_plugin(tmp_path, "dev", requires="busybox", files={"/dev/own": "x"},
                         scriptlets={"post": f"mv /dev /moved; ln -s {outside} /dev; true"})
    dnf.plugin(host, "install", "-y", UNSIGNED, bundle)
    assert sorted(os.listdir(outside)) == ["file", "folder"]


def test_no_dev_is_created_in_a_root_without_one(dnf: Dnf, image: Path, tmp_path: Path) -> None:
    (image / "dev").rmdir()
    bundle = make_plugin(tmp_path, "plain", scriptlets={"post": "true"})
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    assert not (image / "dev").exists()


def test_a_dev_that_is_a_link_out_of_the_root_stays_untouched(
        dnf: Dnf, image: Path, tmp_path: Path) -> None:
    (image / "dev").rmdir()
    (tmp_path / "outside").mkdir()
    (image / "dev").symlink_to(tmp_path / "outside")
    bundle = make_plugin(tmp_path, "noisy", scriptlets={"post": WRITE})
    dnf.plugin(image, "install", "-y", UNSIGNED, bundle)
    assert os.listdir(tmp_path / "outside") == []
    assert mounts_below(tmp_path / "outside") == []


def test_a_process_that_a_scriptlet_started_does_not_block_the_change(
        dnf: Dnf, image: Path, tmp_path: Path) -> None:
    bundle = make_plugin(tmp_path, "daemon", scriptlets={
        "post": "(exec sleep 5 </dev/null >/dev/null 2>&1) &"})
    succeeded(dnf.plugin(image, "install", "-y", UNSIGNED, bundle))
    assert mounts_below(image) == [] and os.listdir(image / "dev") == []
