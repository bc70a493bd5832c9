"""Arguments that several commands have, and their help."""
from __future__ import annotations

import argparse
from pathlib import Path


def add_trust(parser: argparse._ActionsContainer) -> None:
    """Add the options about keys that a bundle or a repository offers."""
    parser.add_argument("--trust-keys", action="store_true", dest="trust_keys",
                        help="import the GPG keys that the bundles contain; -y alone does not")
    parser.add_argument("--trust-key", metavar="FINGERPRINT", action="append", default=[],
                        dest="trust_key",
                        help="import the key with this fingerprint, which a bundle or repository"
                             " offers, and no other; may be repeated")


def add_change_options(parser: argparse.ArgumentParser) -> None:
    """Add the options of an install."""
    parser.add_argument("--allow-replace", metavar="NAME", action="append", default=[],
                        dest="allow_replace",
                        help="in the image of a host, let a plugin replace the package NAME, or"
                             " remove it, although it belongs to no plugin; a glob; may be"
                             " repeated")
    parser.add_argument("--set", metavar="PLUGIN.NAME=VALUE", action="append", default=[],
                        dest="set_values",
                        help="the value of a parameter; @FILE as VALUE reads it from a file, as a"
                             " secret has to be; may be repeated")


def add_payload(parser: argparse.ArgumentParser) -> None:
    """Add the option that names the squashfs in an image."""
    parser.add_argument("--image", metavar="PATH", dest="payload", default="",
                        help="the squashfs to use if the ISO or RPM contains several")


def add_work(parser: argparse.ArgumentParser) -> None:
    """Add the option for the folder of temporary files."""
    parser.add_argument("--work-dir", metavar="DIR", dest="work_dir", type=Path, default=None,
                        help="where to unpack; $TMPDIR or /var/tmp by default")


def add_dnf(parser: argparse.ArgumentParser) -> None:
    """Add the options that go to dnf."""
    parser.add_argument("--enablerepo", metavar="REPO", action="append", default=[],
                        help="use this repository too; may be repeated, globs as in dnf")
    parser.add_argument("--setopt", metavar="OPTION=VALUE", action="append", default=[],
                        help="set an option of dnf.conf, as in dnf; may be repeated")
    parser.add_argument("--nogpgcheck", action="store_true",
                        help="do not check the signatures of packages")


def add_repositories(parser: argparse.ArgumentParser) -> None:
    """Add the options about repositories, which go to dnf."""
    parser.add_argument("--repo", metavar="REPO", action="append", default=[],
                        help="use only this repository besides those of bundles; may be repeated,"
                             " globs as in dnf")
    parser.add_argument("--repofrompath", metavar="ID,PATH", action="append", default=[],
                        help="also use the repository at PATH, a path or URL, with this id; may be"
                             " repeated")
    parser.add_argument("--repo-file", metavar="FILE", action="append", default=[],
                        dest="repo_file", type=Path,
                        help="also use the repositories of this .repo file; may be repeated")
    parser.add_argument("--releasever", metavar="VERSION", default="",
                        help="the value of $releasever in repositories; default: the image's")


def add_json(parser: argparse.ArgumentParser) -> None:
    """Add the option for an answer to programs."""
    parser.add_argument("--json", action="store_true",
                        help="print the answer as JSON, for programs")


def not_empty(text: str) -> str:
    """Return ``text``. Raises ArgumentTypeError if it is empty, as an unset variable of a shell is.

    Without this check, an empty value would be as no option.
    """
    if not text:
        raise argparse.ArgumentTypeError("it is empty")
    return text
