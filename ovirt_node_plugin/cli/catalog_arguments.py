"""The arguments of ``ovirt-node-plugin catalog`` and their help."""
from __future__ import annotations

import argparse
from pathlib import Path
from typing import Mapping, Tuple

from ..catalog.model import STATUSES

TEXT = "build, sign and read lists of the plugins that a site or a vendor supports"
USAGE = """%(prog)s create FILE --title TEXT
       %(prog)s add FILE BUNDLE... [--status STATUS] [--note TEXT]
                [--node-from VERSION] [--node-until VERSION] [--key FILE]
       %(prog)s set FILE NAME[=VERSION]... [--status STATUS] [--note TEXT]
                [--node-from VERSION] [--node-until VERSION]
       %(prog)s drop FILE NAME[=VERSION]...
       %(prog)s sign FILE --sign KEY [--valid-days DAYS]
       %(prog)s verify FILE --key FILE
       %(prog)s list [NAME...] [--file FILE] [--status STATUS]
       %(prog)s show NAME... [--file FILE]
       %(prog)s refresh [--allow-older] [--setopt OPTION=VALUE]"""

_SAID = ("status", "note", "node_from", "node_until")
OPTIONS: Mapping[str, Tuple[str, ...]] = {
    "create": ("title",), "add": (*_SAID, "key_file"), "set": _SAID, "drop": (),
    "sign": ("sign", "valid_days"), "verify": ("key_file",),
    "list": ("catalog_file", "status"), "show": ("catalog_file",), "refresh": ("allow_older",)}
"""The actions, each with the options that it has besides --json and --setopt."""
NAMES: Mapping[str, str] = {
    "title": "--title", "valid_days": "--valid-days", "status": "--status", "note": "--note",
    "node_from": "--node-from", "node_until": "--node-until", "key_file": "--key",
    "sign": "--sign", "catalog_file": "--file", "allow_older": "--allow-older"}
"""The options by their names in ``ProgramOptions``."""


def add(parser: argparse.ArgumentParser) -> None:
    """Add the arguments to the parser of the command."""
    parser.add_argument("action", metavar="ACTION", choices=tuple(OPTIONS),
                        help=", ".join(OPTIONS))
    parser.add_argument("operands", metavar="ARGUMENT", nargs="*",
                        help="the file of a catalog, bundles, or names of plugins")
    parser.add_argument("--title", metavar="TEXT", default="", help="the name of a new catalog")
    parser.add_argument("--valid-days", metavar="DAYS", dest="valid_days", type=int, default=None,
                        help="the days for which the signed catalog is valid; default: for ever")
    parser.add_argument("--status", metavar="STATUS", choices=STATUSES, default=None,
                        help="what is said of the versions, or what to list: "
                             + ", ".join(STATUSES))
    parser.add_argument("--note", metavar="TEXT", default=None,
                        help="one line about the versions, empty for none")
    parser.add_argument("--node-from", metavar="VERSION", dest="node_from", default=None,
                        help="the first version of oVirt Node for which it is said")
    parser.add_argument("--node-until", metavar="VERSION", dest="node_until", default=None,
                        help="the last version of oVirt Node for which it is said")
    parser.add_argument("--sign", metavar="KEY", default="",
                        help="the secret key of GnuPG that signs the catalog")
    parser.add_argument("--key", metavar="FILE", dest="key_file", type=Path, default=None,
                        help="public keys: of verify, those that may have signed the catalog; of"
                             " add, those of packages, besides keys/ of the bundle")
    parser.add_argument("--file", metavar="FILE", dest="catalog_file", type=Path, default=None,
                        help="list this file, whose signature is not checked, and not the"
                             " catalogs of node-plugin.conf")
    parser.add_argument("--allow-older", action="store_true", dest="allow_older",
                        help="accept a catalog that is older than one that was accepted before")
    parser.add_argument("--setopt", metavar="OPTION=VALUE", action="append", default=[],
                        help="set an option of dnf.conf, as in dnf; may be repeated")
    parser.add_argument("--json", action="store_true", help="print the result as JSON")
