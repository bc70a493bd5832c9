"""An RPM is written again with another image and another release, and nothing else changes."""
from __future__ import annotations

import hashlib
import os
import re
import shutil
import struct
from pathlib import Path
from typing import Container, Dict, Iterator, List, Sequence, Tuple

import pytest
import rpm

from ovirt_node_plugin.errors import BadImage, CommandError, Refused, RolledBack, UsageError
from ovirt_node_plugin.images.rpm.package_spec import spec_text
from ovirt_node_plugin.images.rpm.rpm_build import NewRpm
from ovirt_node_plugin.images.rpm.rpm_file import copy_squashfs, opened_rpm
from ovirt_node_plugin.merge.root.site_release import new_release
from ovirt_node_plugin.system.run import Polled, StrPath, run
from tests.support.update_rpm import FOLDER, NAME, RELEASE, VERSION, make_update_rpm

pytestmark = pytest.mark.root

_QUERIES = ("--scripts", "--triggers", "--requires", "--provides", "--obsoletes", "--conflicts",
            "--recommends", "--changelog", "--info", "--dump", "--configfiles", "--state")
# rpm -q --info: those of the build itself
_BUILD = re.compile(r"^(Build Date|Build Host|Size|Source RPM|Release) *:.*\n", re.MULTILINE)


@pytest.fixture
def image(tmp_path: Path) -> Path:
    """A file with the name of the image in the RPM, that begins as a squashfs."""
    path = tmp_path / f"{NAME}-{VERSION}-{RELEASE}.squashfs.img"
    path.write_bytes(b"hsqs" + bytes(100_000))
    return path


def rebuilt(source: Path, image: Path, tmp_path: Path) -> Path:
    """Return the RPM that ``source`` becomes with the release 1.el9.site1 and another image."""
    new, output = tmp_path / "new.img", tmp_path / "new.rpm"
    new.write_bytes(b"hsqs" + os.urandom(200_000))
    content = new.read_bytes()
    package = NewRpm(source, f"{FOLDER}/{image.name}", f"{RELEASE}.site1")
    package.check(tmp_path / "trial", run=run)
    package.write(new, output, tmp_path / "work", run=run)
    with opened_rpm(output) as opened_output:
        for file in opened_output.archive:
            if file.name == package.squashfs:
                opened_output.copy(file, tmp_path / "copy")
    assert (tmp_path / "copy").read_bytes() == content
    return output


def answers(path: Path) -> Dict[str, str]:
    """Return what rpm says of an RPM, without what changes."""
    texts = {query: run(["rpm", "-qp", query, path]) for query in _QUERIES}
    texts["--info"] = _BUILD.sub("", texts["--info"])
    texts["--dump"] = "".join(line for line in texts["--dump"].splitlines(keepends=True)
                              if "squashfs.img" not in line)
    return texts


@pytest.mark.parametrize("compression", ["w0.gzdio", "w3.zstdio", "w.ufdio"])
def test_all_fields_stay_but_the_release(compression: str, image: Path, tmp_path: Path) -> None:
    source = make_update_rpm(tmp_path, [image], compression=compression, fields="Epoch: 3")
    before, after = answers(source), answers(rebuilt(source, image, tmp_path))
    old, new = f"3:{VERSION}-{RELEASE}", f"3:{VERSION}-{RELEASE}.site1"
    for query, text in before.items():
        expected = text
        if query in ("--requires", "--provides"):
            for name in (NAME, f"config({NAME})"):
                expected = expected.replace(f"{name} = {old}\n", f"{name} = {new}\n")
        assert after[query] == expected, query
    output = tmp_path / "new.rpm"
    query = "%{PAYLOADCOMPRESSOR} %{PAYLOADFLAGS} %{FILEDIGESTALGO}"
    assert run(["rpm", "-qp", "--qf", query, output]) == run(["rpm", "-qp", "--qf", query, source])
    assert "NOT OK" not in run(["rpmkeys", "--checksig", "--nosignature", output])


def test_an_rpm_of_its_own_version_is_replaced(image: Path, tmp_path: Path) -> None:
    """ovirt-node-ng-image-update-placeholder of the same version gives way to the new RPM."""
    source = make_update_rpm(tmp_path, [image])
    output = rebuilt(source, image, tmp_path)
    assert run(["rpm", "-qp", "--obsoletes", output]).splitlines() == [
        f"ovirt-node-ng-image < {VERSION}-{RELEASE}.site1",
        f"{NAME}-placeholder < {VERSION}-{RELEASE}.site1"]


def test_an_rpm_has_the_same_bytes_with_source_date_epoch(
        image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SOURCE_DATE_EPOCH", "1700000000")
    source = make_update_rpm(tmp_path, [image])
    package = NewRpm(source, f"{FOLDER}/{image.name}", f"{RELEASE}.site1")
    outputs = []
    for number in range(2):
        new, output = tmp_path / f"new-{number}.img", tmp_path / f"new-{number}.rpm"
        new.write_bytes(b"hsqs" + bytes(100_000))
        package.write(new, output, tmp_path / f"work-{number}", run=run)
        outputs.append(output.read_bytes())
    assert outputs[0] == outputs[1]
    assert run(["rpm", "-qp", "--qf", "%{BUILDTIME}", output]) == "1700000000"


@pytest.mark.parametrize("section", ["%triggerin -- bash", "%transfiletriggerin -- /usr"])
def test_an_rpm_with_what_the_new_one_would_lack_is_refused_by_a_trial(
        section: str, image: Path, tmp_path: Path) -> None:
    source = make_update_rpm(tmp_path, [image], sections=f"{section}\ntrue\n")
    package = NewRpm(source, f"{FOLDER}/{image.name}", f"{RELEASE}.site1")
    with pytest.raises(Refused, match="trigger"):
        package.check(tmp_path / "trial", run=run)


def test_nothing_of_a_hostile_rpm_is_expanded(image: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    texts = {kind: f"%%(touch {trace}-{kind}) %%{{lua:io.open('{trace}-{kind}', 'w')}}"
             for kind in ("field", "post")}
    source = make_update_rpm(
        tmp_path, [image], fields=f"Distribution: {texts['field']}",
        sections=f"%posttrans\necho {texts['post']}\n")
    before, after = answers(source), answers(rebuilt(source, image, tmp_path))
    assert before["--scripts"] == after["--scripts"]
    assert f"%(touch {trace}-post)" in after["--scripts"]
    assert list(tmp_path.glob("trace*")) == []


class FakeHeader(Dict[str, object]):
    """A header as rpm's bindings give it: None for a tag that it does not have."""

    def __missing__(self, tag: str) -> object:
        return [] if tag in ("filenames", "filemodes", "fileusername", "filegroupname",
                             "fileflags", "fileverifyflags", "filelangs") else None


_LEAST = {"name": "a", "version": "1", "release": "1", "arch": "noarch", "summary": "s",
          "license": "MIT", "description": "text", "filedigestalgo": 8}
_ATTACKS = ("x\n%install\ntouch /trace", "x\n  %if 0", "%prep\ntouch /trace")


@pytest.mark.parametrize("attack", _ATTACKS)
@pytest.mark.parametrize("fields", [
    ("description",), ("summary",), ("license",), ("vendor",), ("name",), ("version",),
    ("payloadflags",), ("postin", "postinprog"), ("postinprog",), ("changelogtext",),
    ("changelogname",), ("filenames",), ("fileusername",), ("filelangs",), ("filecaps",),
    ("requirename",), ("requireversion",)])
def test_a_field_that_would_be_a_section_of_the_spec_is_refused(
        fields: Tuple[str, ...], attack: str) -> None:
    lists = {"postinprog": ["/bin/sh"], "changelogtext": ["- x"], "changelogname": ["x"],
             "changelogtime": [0], "filenames": ["/x"], "filemodes": [0o100644],
             "fileusername": ["root"], "filegroupname": ["root"], "fileflags": [0],
             "fileverifyflags": [0xffffffff], "filelangs": [""], "filecaps": [""],
             "requirename": ["x"], "requireflags": [rpm.RPMSENSE_EQUAL], "requireversion": ["1"]}
    header = FakeHeader({**_LEAST, **lists, "postin": "true"})
    assert "touch" not in spec_text(header, "2")
    for field in fields:
        text = f"/{attack}" if field == "filenames" else attack
        header[field] = [text] if field in lists else text
    with pytest.raises(Refused, match="begins with %|cannot have"):
        spec_text(header, "2")


@pytest.mark.parametrize("attack", ["%(touch /trace)", "%{lua:x}", "root) %doc $(touch /trace) ("])
@pytest.mark.parametrize("field", [
    "name", "version", "payloadflags", "buildhost", "fileusername", "filegroupname", "filelangs",
    "filecaps"])
def test_a_field_that_rpmbuild_would_expand_twice_or_run_is_refused(field: str,
                                                                    attack: str) -> None:
    columns = {"filenames": ["/x"], "filemodes": [0o100644], "fileusername": ["root"],
               "filegroupname": ["root"], "fileflags": [0], "fileverifyflags": [0xffffffff],
               "filelangs": ["en|de"], "filecaps": ["cap_net_admin,cap_net_raw=ep"],
               "changelogname": []}
    header = FakeHeader({**_LEAST, **columns, "payloadflags": "19T4", "buildhost": "a-1.example"})
    assert "%caps(cap_net_admin,cap_net_raw=ep)" in spec_text(header, "2")
    header[field] = [attack] if field in columns else attack
    with pytest.raises(Refused, match="cannot have"):
        spec_text(header, "2")
    with pytest.raises(Refused, match="relative path"):
        spec_text(FakeHeader({**_LEAST, **columns, "filenames": [attack]}), "2")


@pytest.mark.parametrize("field", ["name", "version", "release", "arch"])
def test_an_rpm_without_a_field_that_each_has_is_damaged(field: str, image: Path,
                                                         tmp_path: Path) -> None:
    source = make_update_rpm(tmp_path, [image])
    number = getattr(rpm, f"RPMTAG_{field.upper()}")
    with_header(source, struct.pack(">I", number), struct.pack(">I", 99_999))
    with pytest.raises(BadImage, match=f"has no {field}|cannot be read"), opened_rpm(source):
        pass


def test_no_field_of_a_hostile_rpm_runs_a_program(image: Path, tmp_path: Path) -> None:
    trace = tmp_path / "trace"
    hosts = make_update_rpm(tmp_path, [image], fields=f"%define _buildhost %%(touch {trace})")
    architecture = make_update_rpm(tmp_path, [image])
    with_header(architecture, b"noarch\0", b"%(id)x\0")
    for number, source in enumerate((hosts, architecture)):
        package = NewRpm(source, f"{FOLDER}/{image.name}", "2")
        with pytest.raises(Refused, match=r"cannot have: '%\("):
            package.check(tmp_path / f"trial-{number}", run=run)
    assert not trace.exists()


def with_header(source: Path, old: bytes, new: bytes) -> None:
    """Replace bytes in the header of the RPM ``source``, and correct its digests."""
    data = source.read_bytes()
    begin = 96  # the lead; then the header with the digests, of a multiple of 8 bytes
    begin = -(-(begin + _header_bytes(data, begin)) // 8) * 8
    end = begin + _header_bytes(data, begin)
    header = data[begin:end].replace(old, new)
    assert header != data[begin:end] and len(old) == len(new)
    digests = data[:begin].replace(hashlib.md5(data[begin:]).digest(),
                                   hashlib.md5(header + data[end:]).digest())
    for name in ("sha1", "sha256"):
        digests = digests.replace(hashlib.new(name, data[begin:end]).hexdigest().encode(),
                                  hashlib.new(name, header).hexdigest().encode())
    source.write_bytes(digests + header + data[end:])


def _header_bytes(data: bytes, begin: int) -> int:
    tags, size_bytes = struct.unpack_from(">II", data, begin + 8)
    return 16 + 16 * int(tags) + int(size_bytes)


def test_a_file_is_not_written_through_a_link_of_the_same_path(image: Path,
                                                               tmp_path: Path) -> None:
    target, folder = tmp_path / "target", f"%{{buildroot}}{FOLDER}"
    source = make_update_rpm(
        tmp_path, [image], install=f"ln -s {target} {folder}/same-1\necho >{folder}/same-2")
    with_header(source, b"same-2\0", b"same-1\0")
    package = NewRpm(source, f"{FOLDER}/{image.name}", "2")
    with pytest.raises(BadImage, match=f"invalid path {FOLDER}/same-1|cannot be read"):
        package.check(tmp_path / "trial", run=run)
    assert not target.exists()


def test_a_full_disk_is_not_a_damaged_rpm(image: Path, tmp_path: Path) -> None:
    source = make_update_rpm(tmp_path, [image])
    with pytest.raises(RolledBack, match="No space left on device"), opened_rpm(source) as package:
        for file in package.archive:
            if file.name.endswith(image.name):
                package.copy(file, Path("/dev/full"))


def test_a_key_that_is_missing_is_found_by_the_trial(
        image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("GNUPGHOME", str(tmp_path / "gnupg"))
    (tmp_path / "gnupg").mkdir(mode=0o700)
    source = make_update_rpm(tmp_path, [image])
    package = NewRpm(source, f"{FOLDER}/{image.name}", "2", sign_key="nobody@example.com")
    with pytest.raises(Refused, match="cannot be signed with nobody@example.com"):
        package.check(tmp_path / "trial", run=run)


@pytest.fixture
def macro_of_gnupg(request: pytest.FixtureRequest) -> Iterator[None]:
    """The macro __gpg of rpm, with another value."""
    rpm.addMacro("__gpg", request.param)
    yield
    rpm.delMacro("__gpg")


@pytest.mark.parametrize("macro_of_gnupg, options", [
    ("/nowhere/gpg2", ["--define", f"__gpg {shutil.which('gpg')}"]),
    (shutil.which("gpg"), []),
], indirect=["macro_of_gnupg"])
@pytest.mark.usefixtures("macro_of_gnupg")
def test_the_gnupg_of_this_machine_signs_where_the_macro_of_rpm_names_another(
        image: Path, tmp_path: Path, options: List[str]) -> None:
    started: List[List[str]] = []

    def recorded(argv: Sequence[StrPath], *, ok: Container[int] = (0,), stdin: bytes = b"",
                 polled: Polled = None) -> str:
        started.append([os.fspath(word) for word in argv])
        return "" if argv[0] == "rpmsign" else run(argv, ok=ok, stdin=stdin, polled=polled)

    source = make_update_rpm(tmp_path, [image])
    package = NewRpm(source, f"{FOLDER}/{image.name}", "2", sign_key="a@example.com")
    package.check(tmp_path / "trial", run=recorded)
    assert started[-1] == ["rpmsign", *options, "--define", "_gpg_name a@example.com",
                           "--addsign", f"{tmp_path}/trial/trial.rpm"]


@pytest.mark.parametrize("macro_of_gnupg", ["/nowhere/gpg2"], indirect=True)
@pytest.mark.usefixtures("macro_of_gnupg")
def test_a_machine_without_gnupg_is_named_by_the_trial(
        image: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    source = make_update_rpm(tmp_path, [image])
    package = NewRpm(source, f"{FOLDER}/{image.name}", "2", sign_key="a@example.com")
    programs = tmp_path / "programs"
    programs.mkdir()
    for program in Path("/usr/bin").iterdir():
        if not program.name.startswith("gpg"):
            (programs / program.name).symlink_to(program)
    monkeypatch.setenv("PATH", str(programs))
    with pytest.raises(CommandError, match="^gpg cannot be started: No such file") as caught:
        package.check(tmp_path / "trial", run=run)
    assert caught.value.hint == "Install the program gpg on this machine, then try again."


@pytest.mark.parametrize("newer", ["1.el9.1", "1.el9_1", "2.el9", "1.el10", "1.1.el9"])
def test_the_new_release_is_newer_than_the_old_one_and_older_than_the_next(newer: str) -> None:
    releases = [("0", "1", text) for text in (RELEASE, f"{RELEASE}.site1", f"{RELEASE}.site2",
                                              newer)]
    assert all(rpm.labelCompare(older, younger) < 0
               for older, younger in zip(releases, releases[1:]))


def test_a_release_with_a_number_of_any_length_is_read() -> None:
    assert new_release("1.site9", "") == "1.site10"
    with pytest.raises(UsageError, match="is not newer than"):
        new_release(f"1.site{'9' * 5_000}", "")


def test_a_damaged_payload_is_reported_as_one(image: Path, tmp_path: Path) -> None:
    source = make_update_rpm(tmp_path, [image])
    data = source.read_bytes()
    at = data.rindex(image.read_bytes()[:1000])
    for damaged in (data[:at + 500], data[:at + 10] + b"\1\2\3" + data[at + 13:],
                    data[:at - 20] + b"xx" + data[at - 18:]):
        source.write_bytes(damaged)
        with pytest.raises(BadImage, match="damaged") as caught:
            copy_squashfs(source, tmp_path / "copy")
        assert "Errno" not in caught.value.message
