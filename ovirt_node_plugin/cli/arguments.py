"""The arguments of the program ``ovirt-node-plugin`` and their help."""
from __future__ import annotations

import argparse
import os
import re
from pathlib import Path
from typing import List, Mapping, Optional, Sequence, Tuple

from .. import __version__
from ..errors import UsageError
from ..merge.input.named_checksums import NamedChecksums, named_checksums
from . import catalog_arguments
from .shared_arguments import (
    add_change_options,
    add_dnf,
    add_json,
    add_payload,
    add_repositories,
    add_trust,
    add_work,
    not_empty,
)
from .vendor_arguments import add_lint, add_new, add_pack, add_try

_MAX_SIZE = 16 << 40  # of a file on ext4 with blocks of 4096 bytes
_UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}


class ProgramOptions(argparse.Namespace):
    """The parsed command line; each command sets the options that it has.

    ``command`` is the subcommand's name, ``argv`` the command that ``shell`` runs.
    ``output_text`` is the output as it was given, perhaps with a slash at the end.
    """

    command: str
    argv: List[str]
    bundles: List[Path]
    on_images: List[Path]
    older_bundles: List[Path]
    others: List[str]
    junit: Optional[Path] = None
    action: str
    operands: List[str]
    title: str
    valid_days: Optional[int]
    status: Optional[str]
    note: Optional[str]
    node_from: Optional[str]
    node_until: Optional[str]
    key_file: Optional[Path]
    catalog_file: Optional[Path]
    allow_older: bool
    against: List[Path]
    baseurl: str = ""
    complete: List[str]
    older: Optional[Path]
    image: Path
    payload: str
    names: List[str]
    name: str
    rpms: List[Path]
    folder: Optional[Path]
    plugins: List[str]
    places: List[Path]
    path: str
    old: Path
    new: Path
    output_text: Optional[str] = None
    work_dir: Optional[Path] = None
    json: bool = False
    quiet: bool = False
    verbose: bool = False
    log: Optional[Path] = None
    dry_run: bool = False
    force: bool
    assumeno: bool = False
    assumeyes: bool
    check: bool
    checksum_file: Optional[Path]
    checksum_key: Optional[Path]
    content: bool
    delta: bool
    files: bool
    keep_bundles: bool
    keep_privileges: bool
    network: bool
    packages: bool
    plugins_from: Optional[Path]
    plugins_only: bool
    recompress: str
    remove: List[str]
    sarif: Optional[Path]
    save_base: bool
    settings: bool
    sha256: str = ""
    sign: str = ""
    site_tag: str = ""
    allow_replace: List[str]
    skip_scriptlets: bool
    size: str
    strict: bool
    trust_keys: bool
    trust_key: List[str]
    trust: str
    accept_origin: List[str]
    set_values: List[str]
    volid: str
    enablerepo: List[str]
    releasever: str = ""
    repo: List[str]
    repo_file: List[Path]
    repofrompath: List[str]
    setopt: List[str]
    nogpgcheck: bool


def parse(argv: Sequence[str]) -> ProgramOptions:
    """Return the parsed command line.

    Options and names may come in any order; after ``--`` follows the command of ``shell``.
    """
    top, commands = _parsers()
    name, rest = (argv[0], list(argv[1:])) if argv else ("", [])
    if name not in commands:
        return top.parse_args(argv, ProgramOptions())
    command: List[str] = []
    if name == "shell" and "--" in rest:
        cut = rest.index("--")
        rest, command = rest[:cut], rest[cut + 1:]
    options = commands[name].parse_intermixed_args(rest, ProgramOptions())
    options.command, options.argv = name, command
    return options


def _parsers() -> Tuple[argparse.ArgumentParser, Mapping[str, argparse.ArgumentParser]]:
    """Return the parser, and those of the subcommands by name."""
    top = argparse.ArgumentParser(
        prog="ovirt-node-plugin", allow_abbrev=False,
        description="Merge plugins into images of oVirt Node, inspect images, and make plugins.",
        epilog="See ovirt-node-plugin(8). For plugins in a root, use dnf node-plugin.")
    top.add_argument("--version", action="version", version=f"%(prog)s {__version__}")
    commands = top.add_subparsers(dest="command", metavar="COMMAND", required=True)

    def command(name: str, text: str, usage: Optional[str] = None) -> argparse.ArgumentParser:
        return commands.add_parser(name, help=text, description=f"{text[0].upper()}{text[1:]}.",
                                   allow_abbrev=False, usage=usage)

    _merge(command("merge", "merge plugins into an image and write a new image"))
    inspect = command("inspect", "show the containers of an image and the plugins in it")
    _image(inspect)
    _checksums(inspect)
    add_dnf(inspect)
    add_json(inspect)
    _diff(command("diff", "show the differences between two images"))
    _manifest(command("manifest", "show what plugins in an image contain"))
    _verify(command("verify", "compare plugins in an image with their records"))
    extract = command("extract", "copy a file or folder from the root in an image")
    _image(extract)
    extract.add_argument("path", metavar="PATH", help="its path in the root")
    _output(extract, "where to copy; default for a file: standard output")
    extract.add_argument("--keep-privileges", action="store_true",
                         help="keep setuid and setgid bits and capabilities of files")
    shell = command("shell", "run a shell, or a command, in the root of an image",
                    usage="%(prog)s [options] IMAGE [-- COMMAND [ARGUMENT...]]")
    _image(shell)
    _output(shell, "write an image with the changes, if the status is 0")
    shell.add_argument("--network", action="store_true",
                       help="let the command use this machine's network")
    _checksums(shell)
    _package(shell)
    _force(shell)
    add_new(command("new", "make the folder of a plugin, from its packages",
                 usage="%(prog)s NAME [--from RPM...] [--dir DIR] [--json]"))
    add_lint(command("lint", "show everything that is wrong with a plugin that is being made"))
    add_pack(command("pack", "make a repository and a tar of a plugin, to publish"))
    add_try(command("try", "try plugins in copies of images: install, verify, remove, upgrade"))
    catalog_arguments.add(command("catalog", catalog_arguments.TEXT, catalog_arguments.USAGE))
    clean = command("clean", "remove the files of a killed run")
    clean.add_argument("places", metavar="DIR", nargs="*", type=Path,
                       help="folders to clean besides the work folder, such as the folder of"
                            " an output")
    add_work(clean)
    return top, commands.choices


def size(text: str) -> int:
    """Parse a size such as ``6G`` into bytes; units are powers of 1024.

    Raises UsageError for an invalid size.
    """
    match = re.fullmatch(r"(\d{1,15})([KMGT]?)", text, re.IGNORECASE)
    size_bytes = int(match.group(1)) * _UNITS[match.group(2).upper()] if match is not None else 0
    if not 0 < size_bytes <= _MAX_SIZE:
        raise UsageError(f"{text} is not a size",
                         hint="Give a number with K, M, G or T, such as 6G.")
    return size_bytes


def dnf_options(options: ProgramOptions) -> Sequence[str]:
    """Return the options to pass on to dnf; only for commands that run dnf."""
    words = [f"--enablerepo={repo}" for repo in options.enablerepo]
    words += [f"--setopt={setting}" for setting in options.setopt]
    if options.command in ("merge", "try"):
        words += [f"--repo={repo}" for repo in options.repo]
        words += [f"--repofrompath={_repo_from_path(repo)}" for repo in options.repofrompath]
        words += [f"--repo-file={os.path.abspath(path)}" for path in options.repo_file]
        words += [f"--releasever={options.releasever}"] if options.releasever else []
    return [*words, "--nogpgcheck"] if options.nogpgcheck else words


def checksums(options: ProgramOptions) -> NamedChecksums:
    """Return the checksums that the image has to match. Raises UsageError for an invalid one."""
    return named_checksums(options.sha256, options.checksum_file, options.checksum_key)


def _repo_from_path(text: str) -> str:
    """Return ``text`` if it has the form that dnf takes. Raises UsageError."""
    if not re.fullmatch("[^,]+,[^,]+", text, re.DOTALL):
        raise UsageError(f"--repofrompath: {text} is not an id, one comma and a path or URL",
                         hint="Give an id, such as --repofrompath=vendor,/mnt/vendor.")
    return text


def volume_id(text: str) -> str:
    """Return ``text`` if it is valid as the volume id of an ISO (ECMA-119, 8.4.7), or empty.

    Raises UsageError for more than 32 characters, and for characters that are not printable
    ASCII.
    """
    if not re.fullmatch(r"[!-~](?:[ -~]{0,30}[!-~])?|", text):
        raise UsageError(f"{text!r} is not a volume id",
                         hint="Give at most 32 characters of printable ASCII.")
    return text


def _manifest(parser: argparse.ArgumentParser) -> None:
    _image(parser)
    _names(parser)
    for name, text in (("packages", "list each package with the number of its files"),
                       ("files", "list each file, also those that no package owns"),
                       ("settings", "list each setting"),
                       ("delta", "show the changes of the last install or upgrade")):
        parser.add_argument(f"--{name}", action="store_true", help=text)
    add_json(parser)


def _verify(parser: argparse.ArgumentParser) -> None:
    _image(parser)
    _names(parser)
    parser.add_argument("--strict", action="store_true",
                        help="count changed configuration files as problems")
    add_dnf(parser)
    add_json(parser)


def _names(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("names", metavar="NAME", nargs="*",
                        help="a plugin's name; default: all plugins")


def _merge(parser: argparse.ArgumentParser) -> None:
    _image(parser)
    parser.add_argument("plugins", metavar="IMAGE|NAME|PATH", nargs="*",
                        help="first, further images of the same version; then plugins: a name, a"
                             " glob, NAME=VERSION, or the path of a bundle")
    _output(parser, "the image to write; for an RPM, also the folder for it; for several images,"
                    " the folder for all")
    parser.add_argument("--remove", metavar="NAME", action="append", default=[],
                        help="remove a plugin from the image; may be repeated")
    parser.add_argument("-y", "--assumeyes", action="store_true",
                        help="carry out the plan without asking")
    parser.add_argument("--assumeno", action="store_true",
                        help="print the whole plan and answer no")
    parser.add_argument("--dry-run", action="store_true", dest="dry_run",
                        help="print the whole plan and write nothing")
    add_trust(parser)
    parser.add_argument("--trust", metavar="LEVEL", default="",
                        help="raise the level of trust that plugins have to reach: signed, vendor"
                             " or catalog")
    parser.add_argument("--accept-origin", metavar="NAME", action="append", default=[],
                        dest="accept_origin",
                        help="let another vendor's plugin replace the plugin NAME of the image;"
                             " may be repeated; -y alone does not")
    add_change_options(parser)
    parser.add_argument("--skip-scriptlets", action="store_true", dest="skip_scriptlets",
                        help="do not run scriptlets of packages that are removed or replaced")
    parser.add_argument("--recompress", metavar="COMPRESSOR[:LEVEL]", default="",
                        help="use another compression than the input has, such as zstd:3")
    parser.add_argument("--size", metavar="SIZE", default="",
                        help="the minimum size of the filesystem in the image, such as 6G")
    parser.add_argument("--volid", metavar="ID", default="", help="a new volume id for the ISO")
    _package(parser)
    parser.add_argument("--plugins-from", metavar="IMAGE", dest="plugins_from", type=Path,
                        default=None, help="merge the plugins of another image")
    parser.add_argument("--keep-bundles", action="store_true", dest="keep_bundles",
                        help="copy the bundles to the ISO, into /node-plugins/")
    parser.add_argument("--check", action=argparse.BooleanOptionalAction, default=True,
                        help="whether to check the image that was written; default: check it")
    _checksums(parser)
    _force(parser)
    add_dnf(parser)
    add_repositories(parser)
    _reports(parser)
    add_json(parser)


def _output(parser: argparse.ArgumentParser, text: str) -> None:
    parser.add_argument("-o", "--output", metavar="OUTPUT", dest="output_text", default=None,
                        help=text)


def _package(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--site-tag", metavar="TAG", dest="site_tag", type=not_empty,
                        default=argparse.SUPPRESS,
                        help="the tag at the end of the release of an RPM; default: site1, or"
                             " the next one")
    parser.add_argument("--sign", metavar="KEY", type=not_empty, default=argparse.SUPPRESS,
                        help="sign an RPM with this secret key of GnuPG")


def _reports(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("-q", "--quiet", action="store_true",
                        help="print errors only, and what is asked")
    parser.add_argument("-v", "--verbose", action="store_true",
                        help="print each program that is started, and its time")
    parser.add_argument("--log", metavar="FILE", type=Path, default=None,
                        help="append a report of the merge to FILE: plan, notes, steps, programs,"
                             " times")


def _force(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--force", action="store_true",
                        help="overwrite an existing output")


def _diff(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("old", metavar="OLD", type=Path,
                        help="an ISO, a squashfs image, an update RPM, or the folder of an unpacked"
                             " root")
    parser.add_argument("new", metavar="NEW", type=Path, help="the image to compare with it")
    parser.add_argument("--plugins", action="store_true", dest="plugins_only",
                        help="compare only plugins, their packages and settings, and kernel"
                             " arguments")
    parser.add_argument("--content", action="store_true",
                        help="read every file, even if size and time are the same")
    add_payload(parser)
    add_work(parser)
    add_json(parser)


def _image(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("image", metavar="IMAGE", type=Path,
                        help="an ISO, a squashfs image, an update RPM, or the folder of an unpacked"
                             " root")
    add_payload(parser)
    add_work(parser)


def _checksums(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("--sha256", metavar="SUM", type=not_empty, default=argparse.SUPPRESS,
                        help="refuse the image if this is not its SHA-256, in hexadecimal")
    parser.add_argument("--checksum-file", metavar="FILE", dest="checksum_file", type=Path,
                        default=None, help="refuse the image if it differs from its checksum in"
                                           " this list, such as SHA256SUMS or CHECKSUM")
    parser.add_argument("--checksum-key", metavar="FILE", dest="checksum_key", type=Path,
                        default=None, help="refuse the list if none of the OpenPGP keys in FILE"
                                           " signed it")

