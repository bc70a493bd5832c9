"""The command line of ``dnf node-plugin``: its arguments, their types and help."""
from __future__ import annotations

import argparse
from typing import Dict, Iterable, List, Protocol, Tuple

from ..errors import UsageError
from ..operations.model.plan_digest import require_digest
from ..policy.key_trust import read_trust
from .shared_arguments import add_trust

# subcommand: (least number of names, help)
SUBCOMMANDS: Dict[str, Tuple[int, str]] = {
    "install": (1, "install plugins, or upgrade them, by name or path of a bundle"),
    "remove": (1, "remove plugins; packages that others need are kept"),
    "upgrade": (0, "upgrade plugins, by default all, to the newest version found"),
    "list": (0, "list plugins: --installed (default), --available or --all"),
    "info": (1, "show everything known about plugins, by name or path of a bundle"),
    "manifest": (1, "show what plugins contain: packages, files, settings, accounts"),
    "verify": (0, "compare the records with packages, settings and files"),
    "check-upgrade": (1, "show what becomes of the plugins in another image, before an upgrade"),
    "repair": (0, "install damaged packages again, and apply changed settings again"),
    "status": (0, "show how changes with --detach stand, by default all since the last boot"),
    "add": (1, "copy bundles into the library, where they are found by name"),
    "drop": (1, "delete plugins from the library"),
    "repos": (0, "list every repository: its plugin, on or off in this run, and why"),
}
_NO_NAMES = ("repos",)
# Subcommands that change the root
CHANGING = ("install", "remove", "upgrade", "repair")


class DnfOptions(Protocol):
    """The parsed command line: arguments of ``add_arguments``, and those of dnf that are used."""

    subcommand: str
    names: List[str]
    json: bool
    progress: bool
    plan_digest: str
    detach: bool
    follow: bool
    dry_run: bool
    trust_keys: bool
    trust_key: List[str]
    trust: str
    accept_origin: List[str]
    allow_replace: List[str]
    accounts_from: str
    set_values: List[str]
    keep_modified: bool
    skip_scriptlets: bool
    recover: bool
    strict: bool
    reconcile: bool
    repo_file: List[str]
    save_bundles: str
    installed: bool
    available: bool
    all: bool
    packages: bool
    files: bool
    settings: bool
    delta: bool
    payload: str
    sha256: str
    checksum_file: str
    checksum_key: str
    # dnf(8), "OPTIONS"
    assumeno: bool
    assumeyes: bool
    downloadonly: bool
    enableplugin: List[str]
    quiet: bool
    verbose: bool


def add_arguments(parser: argparse._ActionsContainer) -> None:
    """Add the arguments to DNF's ``parser``, a group of arguments without subparsers."""
    parser.add_argument(
        "subcommand", metavar="SUBCOMMAND",
        help="one of:\n" + "\n".join(f"  {name:<13} {text}"
                                     for name, (_, text) in SUBCOMMANDS.items()))
    parser.add_argument("names", metavar="NAME|PATH", nargs="*",
                        help="a plugin's name, a glob, NAME=VERSION, or the path of a bundle;"
                             " check-upgrade: the path of an image")
    _add_output(parser)
    add_trust(parser)
    parser.add_argument("--trust", metavar="LEVEL", default="",
                        help="install, upgrade, repair: raise the level of trust that plugins have"
                             " to reach: signed, vendor or catalog")
    parser.add_argument("--accept-origin", metavar="NAME", action="append", default=[],
                        dest="accept_origin",
                        help="install, repair: let another vendor's plugin replace the installed"
                             " plugin NAME; may be repeated; -y alone does not")
    parser.add_argument("--allow-replace", metavar="NAME", action="append", default=[],
                        dest="allow_replace",
                        help="install, upgrade, repair: on a host, let a plugin replace the"
                             " package NAME, or remove it, although it belongs to no plugin; a"
                             " glob; may be repeated")
    _add_values(parser)
    parser.add_argument("--keep-modified", action="store_true", dest="keep_modified",
                        help="remove: keep files that were changed since the install")
    parser.add_argument("--skip-scriptlets", action="store_true", dest="skip_scriptlets",
                        help="install, upgrade, repair, remove: do not run the %%preun and %%postun"
                             " scriptlets of packages that are removed or replaced")
    parser.add_argument("--recover", action="store_true",
                        help="undo an interrupted change of which this machine did not write"
                             " the journal")
    parser.add_argument("--strict", action="store_true",
                        help="verify: count changed configuration files as problems")
    parser.add_argument("--reconcile", action="store_true",
                        help="verify: make the records in /etc what the image says, and remove"
                             " what plugins of an earlier image left in /etc")
    parser.add_argument("--repo-file", metavar="FILE", action="append", default=[],
                        dest="repo_file",
                        help="also use the repositories of this .repo file; may be repeated")
    parser.add_argument("--save-bundles", metavar="DIR", default="", dest="save_bundles",
                        help="install, upgrade: write a bundle of each plugin that comes from a"
                             " repository to this folder")
    _add_choices(parser)
    _add_image(parser)


def _add_values(parser: argparse._ActionsContainer) -> None:
    parser.add_argument("--accounts-from", metavar="ROOT", default="", dest="accounts_from",
                        help="install: give users and groups of the plugins the numbers, and"
                             " parameters the values, that they have in another root, such as that"
                             " of the previous image")
    parser.add_argument("--set", metavar="PLUGIN.NAME=VALUE", action="append", default=[],
                        dest="set_values",
                        help="install, upgrade, repair: the value of a parameter; @FILE as VALUE"
                             " reads it from a file, as a secret has to be; may be repeated")


def _add_output(parser: argparse._ActionsContainer) -> None:
    """Add the arguments for the output and for plans."""
    parser.add_argument("--json", action="store_true",
                        help="print the answer as JSON, for programs")
    parser.add_argument("--progress", action="store_true",
                        help="with --json, print the progress as one JSON object on each line,"
                             " and the answer as the last one")
    parser.add_argument("--dry-run", action="store_true", dest="dry_run",
                        help="print the whole plan and change nothing")
    parser.add_argument("--detach", action="store_true",
                        help="install, upgrade, repair, remove: go on as a unit of systemd, whose"
                             " name is printed")
    parser.add_argument("--follow", action="store_true",
                        help="status: print the progress of a change until it ends")
    parser.add_argument("--plan-digest", metavar="SHA256", default="", dest="plan_digest",
                        help="install, upgrade, repair, remove: refuse if the plan is not the one"
                             " with this digest, which --dry-run --json printed")


def _add_choices(parser: argparse._ActionsContainer) -> None:
    """Add the arguments that choose what is shown."""
    parser.add_argument("--installed", action="store_true", help="list: installed plugins")
    parser.add_argument("--available", action="store_true",
                       help="list: plugins in the library and in enabled repositories")
    parser.add_argument("--all", action="store_true",
                        help="list: both; repair: all plugins, the default")
    parser.add_argument("--packages", action="store_true",
                        help="manifest: list each package with the number of its files")
    parser.add_argument("--files", action="store_true",
                        help="manifest: list each file, also those that no package owns")
    parser.add_argument("--settings", action="store_true", help="manifest: list each setting")
    parser.add_argument("--delta", action="store_true",
                        help="manifest: show the changes of the last install or upgrade")


def _add_image(parser: argparse._ActionsContainer) -> None:
    """Add the arguments for the image of check-upgrade, as ``ovirt-node-plugin`` has them."""
    parser.add_argument("--image", metavar="PATH", dest="payload", default="",
                        help="check-upgrade: the squashfs to use if the ISO or RPM contains"
                             " several")
    parser.add_argument("--sha256", metavar="SUM", default="",
                        help="check-upgrade: refuse the image if this is not its SHA-256")
    parser.add_argument("--checksum-file", metavar="FILE", dest="checksum_file", default="",
                        help="check-upgrade: refuse the image if it differs from its checksum in"
                             " this list")
    parser.add_argument("--checksum-key", metavar="FILE", dest="checksum_key", default="",
                        help="check-upgrade: refuse the list if none of the OpenPGP keys in FILE"
                             " signed it")


# Transaction flags with which rpm changes no file: dnf.conf(5), "tsflags"
_CHANGE_NOTHING = frozenset(("test", "justdb"))


def check_flags(subcommand: str, tsflags: Iterable[str]) -> None:
    """Raise UsageError if the subcommand changes the root, but flags of rpm prevent it."""
    flags = sorted(_CHANGE_NOTHING.intersection(tsflags))
    if flags and subcommand in CHANGING:
        raise UsageError(
            f"{subcommand} cannot be done with tsflags={','.join(flags)}, which changes no file",
            hint="Remove it from dnf.conf and the command line. --dry-run shows the plan and"
                 " changes nothing.")


def check_arguments(options: DnfOptions) -> None:
    """Raise UsageError for an unknown subcommand, and for arguments that it does not allow."""
    name = options.subcommand
    read_trust(options.trust_key, every=options.trust_keys)
    require_digest(options.plan_digest)
    if options.progress and not options.json:
        raise UsageError("--progress is for --json",
                         hint="Without --json, the progress is shown as dnf shows it.")
    if name not in SUBCOMMANDS:
        raise UsageError(f"there is no subcommand {name}",
                         hint="The subcommands are: " + ", ".join(SUBCOMMANDS) + ".")
    _check_names(options)
    if name in CHANGING:
        _check_change(options)
    _check_chosen(options)


def _check_names(options: DnfOptions) -> None:
    """Raise UsageError for a number of names that the subcommand does not take."""
    name, names = options.subcommand, options.names
    if name == "check-upgrade" and len(names) != 1:
        raise UsageError("check-upgrade needs the path of one image",
                         hint="Give an ISO, a squashfs image, an update RPM, or the folder of an"
                              " unpacked root.")
    least, _ = SUBCOMMANDS[name]
    if len(names) < least:
        raise UsageError(f"{name} needs the name of a plugin",
                         hint=f"For example: dnf node-plugin {name} NAME")
    if names and name in _NO_NAMES:
        raise UsageError(f"{name} takes no names: {' '.join(names)}",
                         hint=f"Run: dnf node-plugin {name}")
    if name == "status" and len(names) > 1:
        raise UsageError("status takes one unit", hint="Without one it shows all.")


def _check_chosen(options: DnfOptions) -> None:
    """Raise UsageError for options that another subcommand has, or that exclude each other."""
    name = options.subcommand
    if options.set_values and name not in ("install", "upgrade", "repair"):
        raise UsageError(f"{name} installs no plugins, and cannot be done with --set",
                         hint="Leave it out.")
    for option, given in (("--detach", options.detach), ("--plan-digest", options.plan_digest)):
        if given and name not in CHANGING:
            raise UsageError(f"{name} changes no plugins, and cannot be done with {option}",
                             hint="Leave it out.")
    if options.follow and name != "status":
        raise UsageError("--follow is for status", hint="Run: dnf node-plugin status --follow")
    if options.reconcile and (name != "verify" or options.names):
        raise UsageError("--reconcile is for verify, for all plugins at once",
                         hint="Run: dnf node-plugin verify --reconcile")
    if name == "repair" and options.all and options.names:
        raise UsageError("repair takes either --all or names",
                         hint="Without names it repairs all plugins.")
    if options.installed + options.available + options.all > 1:
        raise UsageError("--installed, --available and --all exclude each other",
                         hint="Give one of them.")


def _check_change(options: DnfOptions) -> None:
    """Raise UsageError for arguments with which a subcommand cannot change the root."""
    name = options.subcommand
    if options.json and not (options.dry_run or options.assumeyes or options.assumeno):
        raise UsageError(f"{name} --json cannot ask whether the plan is right",
                         hint="Add --dry-run to see the plan, or -y to carry it out.")
    if options.downloadonly:
        raise UsageError(f"{name} cannot be limited to the download by --downloadonly",
                         hint="Add --dry-run to see the plan and change nothing.")
    if options.detach and (options.dry_run or options.assumeno or not options.assumeyes):
        raise UsageError(f"{name} --detach cannot ask whether the plan is right",
                         hint="Look at the plan with --dry-run, then add -y.")
