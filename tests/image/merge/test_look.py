"""The commands that read an image: inspect, manifest, extract, shell and clean."""
from __future__ import annotations

from pathlib import Path

import pytest

from tests import support
from tests.support.dnf_runner import Dnf, succeeded
from tests.support.isos import FORMS
from tests.support.program import Program

pytestmark = [pytest.mark.root]


@pytest.fixture(scope="module")
def site(built: support.Fixtures, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An ISO with two plugins."""
    folder = tmp_path_factory.mktemp("site")
    (folder / "work").mkdir()
    program = Program(folder / "work", Dnf(folder / "dnf"))
    succeeded(program("merge", built.iso("tree-live"), built.bundle("cim"),
                      built.bundle("isv-module-foo"), "-o", folder / "site.iso", "-y",
                      "--trust-keys"))
    return folder / "site.iso"


@pytest.mark.parametrize("form", FORMS)
def test_inspect_describes_the_parts_of_an_iso(
        form: str, built: support.Fixtures, program: Program) -> None:
    iso = built.iso(form, "xz")
    document = succeeded(program("inspect", "--json", iso)).json
    assert document["nesting"] == {"installer": ["iso", "squashfs", "ext4"],
                                "old-live": ["iso", "squashfs", "ext4"],
                                "tree-live": ["iso", "squashfs"]}[form]
    assert document["squashfs"]["compression"].startswith("xz")
    assert document["size_bytes"] == iso.stat().st_size
    assert document["target"] == {"kind": "node", "name": "oVirt Node 4.5.5", "version": "4.5.5",
                               "rpmdb": "/usr/share/rpm"}
    assert document["kernels"] == ["5.14.0-284.11.1.el9_2.x86_64"]
    assert document["packages"] > 40 and document["plugins"] == [] and document["merge"] is None
    places = {configuration["place"] for configuration in document["boot"]}
    assert {"/EFI/BOOT/grub.cfg"} < places and [place for place in places if ":" in place]
    assert all(entry["kernel"] and entry["initrds"] for configuration in document["boot"]
               for entry in configuration["entries"])


def test_inspect_prints_text(site: Path, program: Program) -> None:
    lines = succeeded(program("inspect", site)).out.splitlines()
    assert "Nesting      : iso > squashfs" in lines
    assert "System       : oVirt Node 4.5.5 (node)" in lines
    assert any(line.split() == ["cim", "1.0", "installed"] for line in lines)
    assert [line for line in lines if line.startswith("Merged       : ")]
    assert "Boot configuration /EFI/BOOT/grub.cfg" in lines


def test_a_plugin_with_missing_packages_is_broken(
        site: Path, program: Program, tmp_path: Path) -> None:
    broken = tmp_path / "broken.iso"
    succeeded(program("shell", site, "-o", broken, "--", "/bin/sh", "-c",
                      "cd /usr/lib/ovirt.plugins.d; rm cim; echo damaged > cim"))
    states = {plugin["name"]: plugin["state"] for plugin in
              succeeded(program("inspect", broken, "--json")).json["plugins"]}
    assert states == {"cim": "broken", "isv-module-foo": "installed"}


def test_verify_of_an_image_is_that_of_its_root(
        site: Path, program: Program, tmp_path: Path) -> None:
    answer = succeeded(program("verify", site))
    assert answer.out == "cim 1.0: ok\nisv-module-foo 1.0: ok\n"
    damaged = tmp_path / "damaged.iso"
    succeeded(program("shell", site, "-o", damaged, "--", "/bin/sh", "-c",
                      "echo x > /usr/sbin/sfcbd"))
    answer = program("verify", damaged, "cim")
    assert answer.status == 9
    assert [line.split(" (")[0] for line in answer.out.splitlines()] == [
        "cim 1.0: file /usr/sbin/sfcbd was changed",
        "To repair: ovirt-node-plugin merge IMAGE-WITHOUT-PLUGINS -o OUTPUT"
        f" --plugins-from={damaged}"]
    answer = program("verify", damaged, "isv-module-foo", "--json")
    assert (answer.status, answer.json["ok"], answer.json["next_step"]) == (0, True, "")
    answer = program("verify", damaged, "nobody")
    assert answer.status == 2 and "plugin nobody is not installed" in answer.err
    assert f"\novirt-node-plugin inspect {damaged} shows those" in answer.err


def test_control_characters_are_escaped(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    from tests.support.iso_contents import extract_iso, xorriso
    iso, hostile = built.iso("tree-live"), tmp_path / "hostile.iso"
    text = (extract_iso(iso, tmp_path / "tree") / "EFI/BOOT/grub.cfg").read_text()
    (tmp_path / "grub.cfg").write_text(text.replace("menuentry '", "menuentry '\x1b]0;owned\x07"))
    xorriso(iso, "-outdev", f"stdio:{hostile}", "-boot_image", "any", "replay", "-map",
            str(tmp_path / "grub.cfg"), "/EFI/BOOT/grub.cfg", "-commit")
    out = succeeded(program("inspect", hostile)).out
    assert "\x1b" not in out and "\x07" not in out and r"\x1b]0;owned\x07" in out


def test_manifest_of_an_image_is_that_of_its_root(
        site: Path, program: Program, dnf: Dnf, tmp_path: Path) -> None:
    whole = succeeded(program("manifest", site, "cim", "--files")).out
    assert "/usr/sbin/sfcbd" in whole
    document = succeeded(program("manifest", site, "cim", "isv-module-foo", "--json")).json
    assert [plugin["name"] for plugin in document["plugins"]] == ["cim", "isv-module-foo"]
    all_plugins = succeeded(program("manifest", site, "--json")).json
    assert all_plugins == document
    answer = program("manifest", site, "nobody")
    assert answer.status == 2 and "plugin nobody is not installed" in answer.err
    assert f"\novirt-node-plugin inspect {site} shows those" in answer.err


def test_extract_prints_a_file_and_copies_a_folder(
        site: Path, program: Program, tmp_path: Path) -> None:
    assert "VARIANT_ID=" in succeeded(program("extract", site, "/etc/os-release")).out
    succeeded(program("extract", site, "etc/modprobe.d", "-o", tmp_path / "taken"))
    assert [path for path in (tmp_path / "taken").iterdir() if "isv" in path.name]
    answer = program("extract", site, "/etc/modprobe.d", "-o", tmp_path / "taken")
    assert answer.status == 2 and "exists already" in answer.err
    answer = program("extract", site, "/etc/modprobe.d")
    assert answer.status == 2 and "is not a file" in answer.err
    answer = program("extract", site, "/no/such")
    assert answer.status == 2 and "has no /no/such" in answer.err


def test_a_link_to_outside_is_resolved_in_the_root(
        site: Path, program: Program, tmp_path: Path) -> None:
    linked = tmp_path / "linked.iso"
    succeeded(program("shell", site, "-o", linked, "--", "/bin/sh", "-c",
                      "ln -s /../../../etc/hostname /leak; ln -s /etc/os-release /fine"))
    assert "VARIANT_ID=" in succeeded(program("extract", linked, "/fine")).out
    answer = program("extract", linked, "/leak")
    assert answer.status == 2, answer.text


def test_a_shell_runs_in_the_root_and_changes_nothing(
        site: Path, program: Program, tmp_path: Path) -> None:
    answer = program("shell", site, "--", "/bin/sh", "-c",
                     "test -d /proc/self && test -c /dev/null && ! test -d /sys/kernel && touch"
                     " /etc/new /tmp/new /run/new && echo as $(id -u) >/dev/stdout; exit 3")
    assert (answer.status, answer.out) == (3, "as 0\n"), answer.text
    assert program("extract", site, "/etc/new").status == 2


def test_changes_of_a_shell_are_written_if_it_succeeds(
        site: Path, program: Program, tmp_path: Path) -> None:
    output = tmp_path / "output.iso"
    argv = ("shell", site, "-o", output, "--", "/bin/sh", "-c")
    answer = program(*argv, "echo new > /etc/new; exit 1")
    assert answer.status == 1 and not output.exists()
    succeeded(program(*argv, "echo new > /etc/new; echo x > /tmp/x; echo x > /run/x"))
    assert succeeded(program("extract", output, "/etc/new")).out == "new\n"
    for path in ("/tmp/x", "/run/x", "/dev/tty"):
        assert program("extract", output, path).status == 2
    plugins = succeeded(program("inspect", output, "--json")).json["plugins"]
    assert {plugin["name"] for plugin in plugins} == {
        "cim", "isv-module-foo"}


def test_a_merge_reports_its_steps_in_lines_of_json(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    answer = succeeded(program("merge", built.iso("old-live"), built.bundle("cim"), "-o",
                               tmp_path / "out.iso", "-y", "--trust-keys", "--json"))
    lines = answer.lines
    assert [line["step"] for line in lines if line["event"] == "step"] == [
        "digest", "plan", "unpack", "install", "pack", "iso", "verify", "compare",
        "compare-iso", "checksum"]
    assert all(line["format"] == 1 for line in lines)
    assert lines[-1]["event"] == "result" and lines[-1]["done"] is True
    assert lines[-1]["output"] == str(tmp_path / "out.iso")
    assert [plugin["name"] for plugin in lines[-1]["plans"][0]["plugins"]] == ["cim"]


def test_a_merge_prints_plain_lines_without_a_terminal(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    answer = succeeded(program("merge", built.iso("tree-live"), built.bundle("cim"), "-o",
                               tmp_path / "out.iso", "-y", "--trust-keys"))
    assert "Packing" not in answer.out and "\r" not in answer.err and "\x1b" not in answer.err
    assert "\nPacking /LiveOS/squashfs.img ...\nPacking /LiveOS/squashfs.img: done in" in answer.err


def test_untrusted_keys_are_reported_before_the_image_is_unpacked(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    answer = program("merge", built.iso("old-live"), built.bundle("cim"), "-o",
                     tmp_path / "out.iso", "-y", "--json")
    lines = answer.lines
    assert answer.status == 6
    assert "signed by keys that the image does not trust" in lines[-1]["error"]["message"]
    assert "--trust-keys" in lines[-1]["error"]["hint"]
    assert "unpack" not in [line.get("step") for line in lines]


@pytest.mark.parametrize(("words", "message"), [
    (("merge", "{iso}", "x"), "-o OUTPUT"), (("merge", "{iso}", "-o", "{out}"), "nothing to merge"),
    (("merge", "{iso}", "x", "--remove", "x", "-o", "{out}", "-y"), "both removed and installed"),
    *((("merge", "{iso}", "x", "-o", "/no/such/out", answer), "there is no folder /no/such")
      for answer in ("-y", "--assumeno", "--dry-run")),
    (("merge", "{iso}", "x", "-o", "{iso}", "--dry-run"), "is the input, which is never written"),
    (("merge", "{iso}", "x", "-o", "{out}", "--json"), "cannot ask"),
    (("merge", "{iso}", "x", "-o", "{out}", "-y", "--size", "lots"), "is not a size"),
    (("merge", "{iso}", "x", "-o", "{out}", "-y", "--recompress", "rar"), "no compressor rar"),
    (("merge", "{iso}", "nobody", "-o", "{out}", "-y"), "there is no plugin nobody"),
    (("merge", "{iso}", "--remove", "nobody", "-o", "{out}", "-y"), "nobody is not installed"),
    (("inspect", "/no/such.iso"), "there is no image"),
    (("merge", "/no/such.rpm", "x", "-o", "{folder}", "-y"), "there is no image /no/such.rpm"),
    (("inspect", "{iso}", "--work-dir", "/no/such"), "no folder /no/such"),
    (("frob",), "invalid choice"),
])
def test_an_invalid_command_line_is_a_usage_error(
        words: "tuple[str, ...]", message: str, built: support.Fixtures, program: Program,
        tmp_path: Path) -> None:
    places = {"iso": str(built.iso("tree-live")), "out": str(tmp_path / "out.iso"),
              "folder": str(tmp_path)}
    answer = program(*(word.format(**places) for word in words))
    assert answer.status == 2, answer.text
    assert message in answer.text and "Traceback" not in answer.text
    assert not (tmp_path / "out.iso").exists() and list(program.work.iterdir()) == []


def test_only_root_may_open_images(
        built: support.Fixtures, program: Program, tmp_path: Path) -> None:
    import os
    import subprocess

    from tests.support.dnf_runner import environment
    argv = program.argv("inspect", built.iso("tree-live"))
    reached = subprocess.run(
        ["setpriv", "--reuid=nobody", "--clear-groups", "--", "true"], check=False)
    assert reached.returncode == 0
    done_as = subprocess.run(["setpriv", "--reuid=nobody", "--clear-groups", "--",
                              "/usr/bin/python3", *argv], capture_output=True, text=True,
                             env={**environment(), "HOME": "/"}, check=False, cwd=os.sep)
    assert done_as.returncode == 6, done_as.stderr
    assert "Run the command as root." in done_as.stderr
