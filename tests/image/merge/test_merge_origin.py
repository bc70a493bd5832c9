"""A merge does not replace a plugin by one of another origin, unless that is accepted."""
from __future__ import annotations

from pathlib import Path
from typing import Tuple

import pytest

from ovirt_node_plugin.system.run import run
from tests import support
from tests.support.custom_plugins import UNSIGNED, make_plugin
from tests.support.dnf_runner import Dnf, add_to_shipped_library, succeeded
from tests.support.keys import SigningKey
from tests.support.program import Program

pytestmark = [pytest.mark.root]


@pytest.fixture
def plain(node: Path, tmp_path: Path) -> Path:
    """An image without plugins."""
    image = tmp_path / "node.squashfs"
    run(["mksquashfs", node, image, "-comp", "zstd", "-Xcompression-level", "1", "-no-progress"])
    return image


@pytest.fixture
def site(plain: Path, built: support.Fixtures, tmp_path: Path, program: Program) -> Path:
    """An image with a signed plugin agent 1.0."""
    image = tmp_path / "site.squashfs"
    succeeded(program("merge", plain, signed(tmp_path, "1.0", built.key), "-o", image, "-y",
                      "--trust-keys"))
    return image


def signed(folder: Path, version: str, key: SigningKey) -> Path:
    repo = support.RpmRepo(folder / f"rpms-{version}", "agent", key=key)
    repo.add("agent", version)
    return support.write_bundle(folder / f"agent-{version}", support.descriptor_xml(
        "agent", version, repos=["agent"]), repo=repo, key=key)


def version(program: Program, image: Path) -> Tuple[str, str]:
    """Return version and location of the only plugin in an image."""
    (plugin,) = succeeded(program("inspect", image, "--json")).json["plugins"]
    return plugin["version"], plugin["origin"]["location"]


def test_a_merge_asks_about_another_origin_and_y_alone_does_not_accept_it(
        site: Path, built: support.Fixtures, tmp_path: Path, program: Program) -> None:
    output, other = tmp_path / "out.squashfs", make_plugin(tmp_path / "other", "agent", "9.0")
    words = ("merge", site, other, UNSIGNED, "-o", output)
    refused = program(*words, "-y")
    assert refused.status == 6, refused.text
    key = f"{built.key.fingerprint.lower()} Node Plugin Fixtures <fixtures@example.com>"
    assert f"agent 1.0 is by Test, signed by {key}, from {tmp_path};" in refused.err
    assert f"agent 9.0 is by Test, without checked signatures, from {tmp_path}/other" in refused.err
    assert "--accept-origin=agent" in refused.err
    assert "another origin" in succeeded(program(*words, "--dry-run")).out
    for answers in ("n\n", "y\nn\n"):
        assert program(*words, stdin=answers).status == 1
    assert not output.exists()
    succeeded(program(*words, "-y", "--accept-origin=agent"))
    assert version(program, output) == ("9.0", f"{tmp_path}/other")


def test_yes_to_both_questions_of_a_merge_accepts_the_new_origin(
        site: Path, tmp_path: Path, program: Program) -> None:
    output, other = tmp_path / "out.squashfs", make_plugin(tmp_path / "other", "agent", "9.0")
    succeeded(program("merge", site, other, UNSIGNED, "-o", output, stdin="y\ny\n"))
    assert version(program, output)[0] == "9.0"


def test_a_merge_of_a_bundle_with_the_same_key_from_another_folder_is_no_change(
        site: Path, built: support.Fixtures, tmp_path: Path, program: Program) -> None:
    output = tmp_path / "out.squashfs"
    succeeded(program("merge", site, signed(tmp_path / "new", "2.0", built.key), "-o", output,
                      "-y", "--trust-keys"))
    assert version(program, output) == ("2.0", f"{tmp_path}/new")


def test_a_plugin_of_another_image_is_not_replaced_by_one_of_its_name_in_the_library(
        plain: Path, site: Path, tmp_path: Path, built: support.Fixtures, program: Program,
        dnf: Dnf) -> None:
    output = tmp_path / "out.squashfs"
    add_to_shipped_library(dnf, make_plugin(tmp_path / "other", "agent", "9.0"), "agent")
    words = ("merge", plain, "--plugins-from", site, "-o", output, "-y", UNSIGNED)
    refused = program(*words)
    assert refused.status == 6, refused.text
    assert "agent 1.0 is by Test, signed by" in refused.err and "agent 9.0 is by" in refused.err
    succeeded(program(*words, "--accept-origin", "agent"))
    assert version(program, output)[0] == "9.0"


def test_one_key_is_trusted_by_its_fingerprint(
        node: Path, built: support.Fixtures, tmp_path: Path, program: Program) -> None:
    output, key = tmp_path / "out", built.key.fingerprint
    words = ("merge", node, built.bundle("snmp"), "-o", output, "-y")
    assert program(*words, "--trust-key", key[-16:]).status == 2
    refused = program(*words, f"--trust-key={'ab' * 20}")
    assert refused.status == 6 and f"{key.lower()}, Node Plugin Fixtures" in refused.err
    assert not output.exists()
    succeeded(program(*words, f"--trust-key={key}"))
