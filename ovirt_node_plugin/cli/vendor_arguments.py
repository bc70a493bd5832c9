"""The arguments of the commands for those who make plugins, and their help."""
from __future__ import annotations

import argparse
from pathlib import Path

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


def add_new(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``new`` to its parser."""
    parser.add_argument("name", metavar="NAME", help="the plugin's name")
    parser.add_argument("--from", metavar="RPM", dest="rpms", type=Path, nargs="+",
                        action="extend", default=[],
                        help="make the descriptor from these packages, or those in a folder, and"
                             " copy them to repo/")
    parser.add_argument("--dir", metavar="DIR", dest="folder", type=Path, default=None,
                        help="the folder to make; default: NAME")
    add_json(parser)


def add_lint(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``lint`` to its parser."""
    parser.add_argument("bundles", metavar="PATH", nargs="+", type=Path,
                        help="a bundle: a folder with node-plugin.xml, or a tar of one; a"
                             " repository with a plugin in its metadata; or a folder of several")
    parser.add_argument("--against", metavar="BASE", type=Path, action="append", default=[],
                        help="the base that the plugin is for: the folder of a repository or of an"
                             " unpacked root, an image, a saved base or its version, such as"
                             " 4.5.5; may be repeated")
    parser.add_argument("--save-base", action="store_true",
                        help="save the package list of the root or image, to name it by its"
                             " version later")
    parser.add_argument("--older", metavar="BUNDLE", type=Path,
                        help="an older version, which the plugin is to replace")
    parser.add_argument("--sarif", metavar="FILE", type=Path,
                        help="write the findings to a file in the format SARIF 2.1.0, too")
    parser.add_argument("--strict", action="store_true", help="fail for warnings, too")
    add_json(parser)


def add_pack(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``pack`` to its parser."""
    parser.add_argument("bundle", metavar="DIR", type=Path, help="the folder of the plugin")
    parser.add_argument("-o", "--output", metavar="FOLDER", dest="folder", type=Path,
                        default=Path(), help="where to write; default: the current folder")
    parser.add_argument("--complete", metavar="ROOT|REPO", action="append", default=[],
                        help="add the packages that the plugin requires and the unpacked image"
                             " ROOT lacks, from the repositories REPO: folders, or addresses with"
                             " https; may be repeated")
    parser.add_argument("--sign", metavar="KEY", type=not_empty, default=argparse.SUPPRESS,
                        help="sign packages, metadata and tar with this secret key of GnuPG")
    parser.add_argument("--baseurl", metavar="URL", type=not_empty, default=argparse.SUPPRESS,
                        help="the address at which repo/ will be, for the .repo file")
    parser.add_argument("--force", action="store_true",
                        help="replace what was packed with other content")
    add_json(parser)


def add_try(parser: argparse.ArgumentParser) -> None:
    """Add the arguments of ``try`` to its parser."""
    parser.add_argument("bundles", metavar="PATH", type=Path, nargs="+",
                        help="a bundle to try: a folder with node-plugin.xml, or a tar of one")
    parser.add_argument("--on", metavar="IMAGE", dest="on_images", type=Path, nargs="+",
                        action="extend", required=True,
                        help="the images: an ISO, a squashfs image, an update RPM, or the folder"
                             " of an unpacked root; none is changed")
    parser.add_argument("--from", metavar="OLDER", dest="older_bundles", type=Path,
                        action="append", default=[],
                        help="also upgrade from this older version; may be repeated")
    parser.add_argument("--with", metavar="PLUGIN", dest="others", action="append", default=[],
                        help="also install beside this plugin, a path or a name; may be repeated")
    parser.add_argument("--junit", metavar="FILE", type=Path,
                        help="also write the results to a file as JUnit XML")
    add_trust(parser)
    add_change_options(parser)
    add_payload(parser)
    add_work(parser)
    add_dnf(parser)
    add_repositories(parser)
    add_json(parser)
