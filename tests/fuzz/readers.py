"""The readers of files of others, each with samples, and with input of any size.

A reader gets bytes and an empty folder. It returns, or raises one of its errors; anything else
is a fault.
"""
from __future__ import annotations

import contextlib
import gzip
import io
import shutil
import struct
import tarfile
from dataclasses import dataclass
from pathlib import Path
from typing import Callable, Dict, Tuple, Type

from ovirt_node_plugin import target
from ovirt_node_plugin.authoring.lint import silences
from ovirt_node_plugin.errors import NodePluginError, Reasons
from ovirt_node_plugin.images import other_forms
from ovirt_node_plugin.images.iso import checksum, iso, iso_checksums
from ovirt_node_plugin.images.iso.boot_text import texts as boot_text
from ovirt_node_plugin.images.iso.boot_text.model import CannotEdit
from ovirt_node_plugin.images.squashfs import squashfs, trailing_data, verity
from ovirt_node_plugin.merge.root import marks
from ovirt_node_plugin.packages import metadata, repos, start
from ovirt_node_plugin.plugin import archive, bundle, library, repo_file
from ovirt_node_plugin.plugin.descriptor import parse_descriptor
from ovirt_node_plugin.plugin.parameters import names_in, replaced
from ovirt_node_plugin.policy import opened_paths
from ovirt_node_plugin.policy.given_parameters import read_site
from ovirt_node_plugin.registry import inventory_json, xml
from ovirt_node_plugin.settings.boot import (
    argument_syntax,
    argument_text,
    image_arguments,
    initramfs_images,
)
from ovirt_node_plugin.settings.certificates import pem
from ovirt_node_plugin.settings.config_files import folders as config_folders
from ovirt_node_plugin.settings.firewall import firewall_files
from ovirt_node_plugin.settings.host_names import host_names
from ovirt_node_plugin.settings.kit.model import Context
from ovirt_node_plugin.settings.modules import module_file, module_fits, module_index
from ovirt_node_plugin.settings.selinux import selinux_store
from ovirt_node_plugin.settings.sysctl import sysctl_files
from ovirt_node_plugin.system import account_files, openpgp, x509
from ovirt_node_plugin.system.run import run
from ovirt_node_plugin.undo import journal_file
from ovirt_node_plugin.undo.changes import Applied
from ovirt_node_plugin.vdsm import record_scan
from tests.support.kmod import module_bytes
from tests.support.sample_bundle import DESCRIPTOR
from tests.support.trust_root import ACME, der

Errors = Tuple[Type[Exception], ...]


@dataclass(frozen=True)
class Reader:
    """A reader, ``samples`` of what it reads, and ``grown``, which returns input with N items.

    ``largest`` is a number of items that it refuses, or the largest of interest.
    """

    read: Callable[[bytes, Path], object]
    samples: Tuple[bytes, ...]
    grown: Callable[[int], bytes]
    largest: int
    errors: Errors = (NodePluginError,)


def _written(data: bytes, folder: Path, name: str) -> Path:
    """Write ``data`` to a file in ``folder``, which replaces the one of a run before."""
    path = folder / name
    path.parent.mkdir(parents=True, exist_ok=True)
    path.write_bytes(data)
    return path


def _xml(text: str) -> bytes:
    return f'<?xml version="1.0" encoding="UTF-8"?>\n{text}'.encode()


# --- plugins ---------------------------------------------------------------------------

def _descriptor(size: int) -> bytes:
    settings = "".join(
        f'<selinux-port type="a_t" port="{n % 60000 + 1}" protocol="tcp"/>' for n in range(size))
    head, tail = DESCRIPTOR.split("</settings>")
    return f"{head}{settings}</settings>{tail}".encode()


def _members(size: int, *, top: str = "bundle") -> bytes:
    buffer = io.BytesIO()
    with tarfile.open(fileobj=buffer, mode="w") as tar:
        for number in range(size):
            member = tarfile.TarInfo(f"{top}/{number % 50}/{number}")
            member.size = 3
            tar.addfile(member, io.BytesIO(b"abc"))
    return gzip.compress(buffer.getvalue(), 1)


def _unpack(data: bytes, folder: Path) -> None:
    into = folder / "into"
    shutil.rmtree(into, ignore_errors=True)
    into.mkdir()
    archive.unpack(_written(data, folder, "bundle.tar"), into, run=run, limit_bytes=1 << 22)


def _repository_files(data: bytes, folder: Path) -> None:
    metadata.read_bundle_files(_written(data, folder, "files.tar.gz"), repo_id="a", run=run)


_REPO = b"[a]\nname = A\nbaseurl = https://a.example/\ngpgcheck = 1\ngpgkey = file:///a\n  file:///b\n"
_REPOMD = ('<repomd xmlns="http://linux.duke.edu/metadata/repo"><data type="node-plugin">'
           '<location href="repodata/node-plugin.xml.gz"/></data></repomd>')


def _repomd(size: int) -> bytes:
    data = '<data type="primary"><location href="repodata/a.gz"/></data>' * size
    return _xml(_REPOMD.replace("<data", f"{data}<data", 1))


def _read_index(data: bytes, folder: Path) -> None:
    path = _written(data, folder, "repodata/repomd.xml")
    repos._location(path, "node-plugin")
    bundle._check_index(path, "repomd.xml")


# --- the registry ----------------------------------------------------------------------

def _record(size: int) -> bytes:
    packages = "".join(f'<package nevra="a{n}-1-1.noarch" checksum="" reason="dependency"/>'
                       for n in range(size))
    return _xml(
        '<plugin-record format="1"><name>a</name><version>1</version><vendor>v</vendor>'
        '<summary>s</summary><installed at="2026-11-22T16:40:11Z" tool="t" mode="offline"'
        ' source="/a"/><target kind="node" version="4.5"/><repos/>'
        f"<packages>{packages}</packages><settings/></plugin-record>")


def _scan(data: bytes, folder: Path) -> None:
    _written(data, folder, "a")
    record_scan.scan_record(str(folder), "a")


def _named_repos(data: bytes, folder: Path) -> None:
    _written(data, folder, f"{start.REGISTRIES[0]}/a")
    start.records_name(str(folder), ["a", "b"])


def _undo_data(size: int) -> bytes:
    changes = "".join(f'<change path="etc/{n}"><before kind="file" mode="0644" uid="0" gid="0"'
                      ' digest="ca978112ca1bbdcafac231b39a23dc4da786eff8147c4e72b9807785afee48bb">'
                      "<content>eJxLBAAAYgBi</content></before></change>" for n in range(size))
    return _xml('<plugin-manifest format="1" name="a"><descriptor>eJxLBAAAYgBi</descriptor>'
                f"<folders/><settings/><effects>{changes}</effects></plugin-manifest>")


_OPERATION = (
    '{"operation":"install","at":"","tool":"t","version_from":"","version_to":"1",'
    '"packages_added":[],"packages_removed":[],"packages_shared":[],"settings_on":[],'
    '"settings_again":[],"settings_off":[],"accounts_added":[],"accounts_removed":[],'
    '"files_added":0,"files_changed":0,"files_removed":0}')


def _inventory(size: int) -> bytes:
    files = ",".join(f'{{"path":"/opt/{n}","kind":"file","mode":"0644","owner":"root",'
                     '"group":"root","since":1}' for n in range(size))
    return (f'{{"format":1,"name":"a","operations":[{_OPERATION}],"packages":[],'
            f'"others":[{files}],"before":[]}}').encode()


def _load_inventory(data: bytes, folder: Path) -> None:
    """Read the text, compressed, as random changes of compressed data would reach nothing."""
    inventory_json.load(gzip.compress(data, 1), origin="i")


def _journal(size: int) -> bytes:
    index = ",".join(f'"etc/{n}":{{"stat":[33188,0,0,1,2,3,4],"kind":"file","mtime_ns":1}}'
                     for n in range(size))
    return ('{"format":1,"operation":"install","plugins":["a"],"tool":"t","scope":{"paths":[],'
            '"trees":["etc"],"bare":[],"near":[],"whole":[],"live":false,"spared":[]},'
            f'"near":[],"names":["etc/a"],"index":{{{index}}}}}').encode()


# --- files of a root -------------------------------------------------------------------

def _accounts(data: bytes, folder: Path) -> None:
    for name in ("passwd", "group"):
        _written(data, folder, f"etc/{name}")
    account_files.users(folder)
    account_files.groups(folder)
    for name in ("passwd", "shadow"):
        account_files.without_user(data, name, account_files.UserEntry("a", 1, 1, "/", "/bin/sh"))
    account_files.without_member(data, "group", "a", "b")


def _os_release(data: bytes, folder: Path) -> None:
    _written(data, folder, "etc/os-release")
    target.identify(folder)
    target.el_major(folder)


def _sysctl(data: bytes, folder: Path) -> None:
    _written(data, folder, "etc/sysctl.conf")
    sysctl_files.assignments(folder, "vm.swappiness")


def _zone(data: bytes, folder: Path) -> None:
    _written(data, folder, "etc/firewalld/zones/a.xml")
    _written(data, folder, "etc/firewalld/firewalld.conf")
    firewall_files.default_zone(folder)
    text = firewall_files.read_config(folder, "zones", "a") or ""
    ports = firewall_files.ports(text)
    firewall_files.services(text)
    firewall_files.without_ports(data, ports[:1])
    firewall_files.without_service(data, "a")


def _certificates(data: bytes, folder: Path) -> None:
    pem.problem(data)
    pem.blocks(data)


def _hosts(data: bytes, folder: Path) -> None:
    _written(data, folder, "etc/hosts")
    entry = Applied("hosts-entry", "a", "192.0.2.1 a b", "absent", ())
    host_names.KIND.verify(entry, Context(folder, "foo", {}, run))
    remover = host_names.KIND.part_remover(entry, "etc/hosts")
    assert remover is not None
    remover(data)


def _config_folders(data: bytes, folder: Path) -> None:
    _written(data, folder, "lists/site.conf")
    config_folders.read_folders(folder / "lists")


def _parameters(data: bytes, folder: Path) -> None:
    read_site([_written(data, folder, "site/a.conf").parent])


def _entry(data: bytes, folder: Path) -> None:
    """Edit a boot loader entry; what was added comes out exactly."""
    text = data.decode("latin-1")
    added = argument_text.decode("a=b")
    for syntax in (argument_syntax.KERNEL, argument_syntax.GRUB):
        new = argument_text.edited(text, [added], entry=True, syntax=syntax)
        argument_text.restored(new, text, [added], [], entry=True, syntax=syntax)
        argument_text.problems(text, added, entry=False, syntax=syntax)
        argument_text.unsound_words(text, entry=True, syntax=syntax)


def _modules(data: bytes, folder: Path) -> None:
    for name in ("modules.dep", "modules.builtin"):
        _written(data, folder, f"lib/modules/1/{name}")
    module_index.module_names("1", folder)


def _module(data: bytes, folder: Path) -> None:
    modules = module_file.read_modules([("/lib/modules/1.0/extra/a.ko", data)])
    module_fits.module_fits(modules, folder, leaving=())


def _policy(data: bytes, folder: Path) -> None:
    text = data.decode(errors="replace")
    for kind in (selinux_store.BOOLEAN, selinux_store.PORT, selinux_store.CONTEXT):
        selinux_store.parse(kind, text)
    compiled = selinux_store.CompiledPolicy(data)
    compiled.boolean("a_b")
    compiled.type("a_t")
    selinux_store.unpacked(data)
    _written(data, folder, "etc/selinux/config")
    selinux_store.find(folder)
    selinux_store.is_disabled(folder)


def _repo_ids(data: bytes, folder: Path) -> None:
    library.repo_ids_in(_written(data, folder, "a.repo"))


def _removals(data: bytes, folder: Path) -> None:
    opened_paths._refuse_removals(_written(data, folder, "tempfiles.json"), "/var/cache/dnf")


# --- images ----------------------------------------------------------------------------

_MENU = b"label a\n  kernel vmlinuz\n  append initrd=a quiet\nlabel b\n  kernel b\n"
_GRUB = b"menuentry 'a' --class x {\n  linux /vmlinuz quiet LABEL=a\n  initrd /a\n}\n"


_SCRIPT = b"""set linux=linuxefi
set x="a b"
menuentry 'a' { $linux /k LABEL=a \\
 'b;c'"$x" $x # d
}
search --label a
if true; then submenu b { linux16 /m $y; }; fi
"""


def _boot(data: bytes, folder: Path) -> None:
    text = data.decode("latin-1")
    boot_text.entries(text)
    with contextlib.suppress(CannotEdit):
        boot_text.replace_volume_id(text, "a", "b c")
    with contextlib.suppress(CannotEdit):
        boot_text.edit_arguments(text, lambda arguments: f"{arguments} x;y")


_LISTING = (b"Volume Id    : NODE\nFile data lba:  0 ,  33 ,  1 ,  7 , '/a'\n"
            b"El Torito boot img :   1  UEFI  y   none  0x0000  0x00   8192   33\n"
            b"El Torito img path :   1  /a\nEl Torito img blks :   1  2\n")


def _iso(data: bytes, folder: Path) -> None:
    """Read what xorriso(1) prints, which has the names of an ISO."""
    path = _written(bytes(1 << 20), folder, "a.iso")
    text = data.decode(errors="replace")

    def prints(argv: object, **options: object) -> str:
        return text

    content = iso.read_iso(path, run=prints)
    assert content.boot_records is not None and content.spans is not None


def _superblock(data: bytes, folder: Path) -> None:
    path = _written(data, folder, "a.img")
    iso.is_iso(path)
    iso._has_joliet(path)
    other_forms.other_form(path)
    block = squashfs.read_superblock(path)
    trailing_data.data_behind_squashfs(path, "a.img", start=0, bytes_used=block.bytes_used,
                                       size_bytes=len(data))


def _verity(data: bytes, folder: Path) -> None:
    path = _written(data, folder, "a.img")
    verity.read_verity(path, 0, start=0, end=len(data))
    trailing_data.data_behind_filesystem(path, "a.img")


_VERITY = struct.pack("<8sII16s32sIIQH6x256s168x", verity.MAGIC, 1, 1, bytes(16), b"sha256", 4096,
                      4096, 2, 4, b"salt").ljust(8192, b"\0")


_SUPERBLOCK = struct.pack("<5I6H8Q", 0x73717368, 1, 0, 1 << 17, 0, 1, 17, 0, 1, 4, 0, 0, 96,
                          *[96] * 6)

_MARK = (b'{"format":1,"merged_at":"","tool":"t","source":"a","source_sha256":"","plugins":[{'
         b'"name":"a","version":"1","vendor":"v","source":"a.tar"}],"changes":[],"boot":{}}')


def _lines(line: bytes) -> Callable[[int], bytes]:
    return lambda size: b"".join(line.replace(b"%d", b"%d" % n) for n in range(size))


_SUMS = (b"-----BEGIN PGP SIGNED MESSAGE-----\nHash: SHA256\n\n"
         b"d41d8cd98f00b204e9800998ecf8427e  ./a\nMD5 (a) = d41d8cd98f00b204e9800998ecf8427e\n"
         b"-----BEGIN PGP SIGNATURE-----\n")
_TREEINFO = b"[checksums]\na = md5:d41d8cd98f00b204e9800998ecf8427e\n"
_DESCRIPTOR = (bytes(80) + b"\0\0\0\0\0\0\2\0" + bytes(795) + b"ISO MD5SUM = "
               b"d41d8cd98f00b204e9800998ecf8427e;SKIPSECTORS = 15;RHLISOSTATUS=1;FRAGMENT SUMS = "
               + b"0" * 60 + b";FRAGMENT COUNT = 20;")


def _checksums(data: bytes, _: Path) -> None:
    files = {"/a": iso.IsoFile("/a", 1, 1)}
    for name in ("/.treeinfo", "/a.md5", "/MD5SUMS"):
        checksums = iso_checksums._checksum_list(name, data, files)
        iso_checksums._without(checksums, ("/a",))
    if openpgp.is_clear_signed(data):
        with contextlib.suppress(ValueError):
            openpgp.clear_signed_text(data)


def _implanted(data: bytes, _: Path) -> None:
    check = checksum.ImplantedCheck(data[:2048])
    check.update(data)
    check.problem()


def _silences(data: bytes, _: Path) -> None:
    parse_descriptor(data, origin="d")
    silences.of_descriptor(data)


def _comments(size: int) -> bytes:
    return DESCRIPTOR.replace("<settings>", "<!-- lint: off a b -->" * size + "<settings>").encode()


READERS: Dict[str, Reader] = {
    "descriptor": Reader(lambda data, _: parse_descriptor(data, origin="d"),
                         (DESCRIPTOR.encode(),), _descriptor, 6_000),
    "archive": Reader(_unpack, (_members(3), gzip.decompress(_members(3))), _members, 3_000),
    "repo-file": Reader(lambda data, folder: repo_file.parse(_written(data, folder, "a.repo")),
                        (_REPO,), _lines(_REPO.replace(b"[a]", b"[a%d]")), 16_000),
    "repo-files": Reader(
        lambda data, folder: repo_file.repo_ids([_written(data, folder, "a.repo")], Reasons()),
        (_REPO,), lambda size: b"[a]\n" + _lines(b"x%d=1\n")(size), 16_000),
    "lint-file": Reader(
        lambda data, folder: silences.apply([], silences.of_file(
            _written(data, folder, "lint.conf").parent)[0]),
        (b"packages/unsigned a # b\n",), _lines(b"packages/unsigned a%d\n"), 60_000),
    "lint-comments": Reader(_silences, (_comments(1),), _comments, 60_000),
    "repomd": Reader(_read_index, (_repomd(0), _repomd(1)), _repomd, 20_000),
    "metadata": Reader(
        lambda data, folder: metadata.read_metadata(_written(data, folder, "a.xml.gz")),
        (gzip.compress(DESCRIPTOR.encode()),), lambda size: gzip.compress(b" " * size), 2 << 20),
    "repository-files": Reader(_repository_files, (_members(3, top="files"),),
                               lambda size: _members(size, top="files"), 3_000),
    "record": Reader(lambda data, _: xml.load_record(data, origin="r"), (_record(1),), _record,
                     70_000),
    "record-scan": Reader(_scan, (_record(1),), _record, 70_000, (record_scan.Damaged,)),
    "record-repos": Reader(_named_repos, (_record(1), b'<repo id="x"'), _lines(b'<repo "'),
                           1_000_000),
    "undo-data": Reader(lambda data, _: xml.load_undo_data(data, origin="u"), (_undo_data(1),),
                        _undo_data, 40_000),
    "inventory": Reader(_load_inventory, (_inventory(1),), _inventory, 200_000),
    "journal": Reader(lambda data, _: journal_file.load(data),
                      (_journal(1), _journal(1).replace(b"33188", b"3e999")), _journal, 100_000,
                      (ValueError, KeyError, TypeError, AttributeError)),
    "accounts": Reader(_accounts, (b"a:x:1:1:g:/:/bin/sh\na:x:1:b,c\n",),
                       _lines(b"a%d:x:1:1:g:/:/bin/sh\n"), 200_000),
    "os-release": Reader(_os_release, (b'ID=centos\nVARIANT_ID=ovirt-node\nVERSION_ID="9"\n'
                                       b'VARIANT="oVirt Node 4.5.5"\n',),
                         _lines(b'A%d="b c"\n'), 8_000),
    "os-release-value": Reader(_os_release, (b"ID='a' \"b\"\n",), lambda size: b"ID=" + b"a" * size,
                               1 << 17),
    "sysctl": Reader(_sysctl, (b"vm.swappiness = 1\nvm/* = 2\n# a\n",),
                     _lines(b"vm.swap* = %d\n"), 80_000),
    "zone": Reader(_zone, (b'<zone>\n  <port port="1-2" protocol="tcp"/>\n<rule><port port="3"'
                           b' protocol="udp"/></rule><service name="a"/></zone>',
                           b"DefaultZone=a\n"),
                   _lines(b'<port port="%d" protocol="tcp"/>\n'), 30_000),
    "hosts": Reader(_hosts, (b"127.0.0.1 localhost # a\n192.0.2.1 a b # node-plugin\n",),
                    _lines(b"192.0.2.1 a%d b # c\n"), 300_000),
    "parameters": Reader(
        _parameters, (b"[a]\nb = c\n# d\n[e]\nf = 100% $g \\1\n",), _lines(b"[a%d]\nb = c\n"),
        90_000),
    "references": Reader(
        lambda data, _: (list(names_in(data)), replaced(data, {"a": "@b@"})),
        (b"@a@ b@@c @d e@f@\n@@@a@\n",), _lines(b"@a@b@@%d@a\n"), 100_000),
    "config-folders": Reader(
        _config_folders, (b"[a]\ntitle = A\npath = /etc/a\nnames = .+\nneeds = /b\nsource = c\n"
                          b"check = d '-'\nread-line = {path}\n[*]\nclosed = yes\n",),
        _lines(b"[%d]\ntitle=A\npath=/etc/a\nnames=a\nneeds=/b\nsource=c\n"), 30_000),
    "x509": Reader(lambda data, _: x509.problem(data) or x509.subject(data), (der(ACME),),
                   lambda size: b"\x30\x83" + (2 * size).to_bytes(3, "big") + b"\x05\x00" * size,
                   500_000),
    "pem": Reader(_certificates,
                  (b"-----BEGIN CERTIFICATE-----\nMIIB\n-----END CERTIFICATE-----\n",),
                  _lines(b"-----BEGIN CERTIFICATE-----\n"), 40_000),
    "loader-entry": Reader(_entry, (b"title a\noptions quiet a=\"b c\" d\nlinux /a\n",),
                           lambda size: b"options " + b"b=%d " % size * size, 100_000),
    "kernel-arguments": Reader(
        lambda data, _: image_arguments.elements(data.decode(errors="replace")),
        (b'kargs = ["a=b", \'c\', # d\n"\\u0065"]\n', b"kargs = [##\n#"),
        lambda size: b"kargs = [\n" + b'  "a%d=b", # c\n' * size, 100_000),
    "modules": Reader(_modules, (b"kernel/a/b.ko.xz: kernel/c.ko\n",),
                      _lines(b"kernel/a/b%d.ko.xz: kernel/c.ko\n"), 500_000),
    "module": Reader(_module, (module_bytes("a", kernel="1.0", exports=["b"], needs=["c"]),),
                     lambda count: module_bytes("a", kernel="1.0", fields=[
                         f"a{number}=b" for number in range(count)]), 400_000),
    "initramfs": Reader(lambda data, _: initramfs_images.parse(data.decode(errors="replace")),
                        (b"dracut modules:\nbase\n===\n-rw-r--r-- 1 root lib/a-b.ko.xz\n",),
                        _lines(b"-rw-r--r-- 1 root lib/a%d.ko.xz\n"), 400_000),
    "selinux": Reader(_policy, (b"SELINUXTYPE=targeted\n", b"portcon tcp 1-2 system_u:r:a_t:s0\n",
                                b"/opt/a(/.*)? -d system_u:r:a_t:s0\n", b"BZh91AY&SY"),
                      _lines(b"/opt/a%d(/.*)? -d system_u:r:a_t:s0\n"), 80_000),
    "system-repo-file": Reader(_repo_ids, (_REPO,), _lines(b"[a%d]\n"), 500_000),
    "removals": Reader(_removals, (b'["/var/cache/dnf/a"]',),
                       lambda size: b'["/var/cache/dnf/a"' + b',"/var/cache/dnf/a"' * size + b"]",
                       400_000),
    "boot": Reader(_boot, (_MENU, _GRUB, _SCRIPT, b"linux\xa0/a b\nkernel /a\n"), _lines(_GRUB),
                   2_000),
    "iso": Reader(_iso, (_LISTING,), _lines(b"File data lba:  0 ,  33 ,  1 ,  7 , '/a%d'\n"),
                  120_000),
    "superblock": Reader(_superblock, (_SUPERBLOCK,), lambda size: _SUPERBLOCK + bytes(size),
                         1 << 20),
    "checksum-list": Reader(_checksums, (_SUMS, _TREEINFO),
                            _lines(b"d41d8cd98f00b204e9800998ecf8427e  a\n"), 200_000),
    "implanted-checksum": Reader(_implanted, (_DESCRIPTOR,),
                                 lambda size: _DESCRIPTOR.ljust(size, b"\0"), 1 << 20),
    "verity": Reader(_verity, (_VERITY,), lambda size: _VERITY + bytes(size), 1 << 20),
    "mark": Reader(lambda data, _: marks.read(data.decode(errors="replace"), origin="m"), (_MARK,),
                   lambda size: _MARK.replace(b'"changes":[', b'"changes":[' + b",".join(
                       [b'{"action":"a","name":"b","version":"c"}'] * size)), 20_000),
}
