"""The kinds of defect that ``ovirt-node-plugin lint`` reports, by code."""
from __future__ import annotations

import enum
from dataclasses import dataclass
from typing import Mapping


class Severity(enum.IntEnum):
    """How much a finding matters; an error is what an install refuses."""

    NOTE = 0
    WARNING = 1
    ERROR = 2

    @property
    def text(self) -> str:
        """The name in answers, such as ``error``."""
        return self.name.lower()


@dataclass(frozen=True)
class Code:
    """One kind of defect: its severity, what it is, and what helps if a finding has no hint."""

    severity: Severity
    text: str
    mend: str


_ERROR, _WARNING, _NOTE = Severity.ERROR, Severity.WARNING, Severity.NOTE
_SCHEMA = "node-plugin.xml(5) describes every element."
CODES: Mapping[str, Code] = {
    "bundle/form": Code(_ERROR, "the path is not a bundle, or its tar is damaged or unsafe",
                        "Give a folder with node-plugin.xml, or a tar of one."),
    "bundle/entry": Code(_ERROR, "a link leads out of the bundle, or an entry is neither file,"
                         " folder nor link", "Replace it by a copy of the file."),
    "bundle/limit": Code(_ERROR, "the bundle, or a file in it, is larger than allowed",
                         "Make it smaller, or put files into a package."),
    "descriptor/form": Code(_ERROR, "the descriptor is not plain XML, or of an unknown schema"
                            " version", _SCHEMA),
    "descriptor/schema": Code(_ERROR, "an element, attribute or value is not allowed there, or"
                              " missing", _SCHEMA),
    "descriptor/rule": Code(_ERROR, "elements contradict each other, or a value is one that no"
                            " system takes", _SCHEMA),
    "descriptor/tool": Code(_ERROR, "the plugin requires a newer version of this tool",
                            "Update ovirt-node-plugin, then try again."),
    "descriptor/license": Code(_WARNING, "the descriptor names no license",
                               "Add <license> with an SPDX expression, such as GPL-2.0-or-later."),
    "descriptor/address": Code(_NOTE, "the descriptor has no address where the plugin is"
                               " documented", "Add <url>."),
    "repo-file/form": Code(_ERROR, "a .repo file cannot be read, or defines a repository twice",
                           "dnf.conf(5) describes the form of a .repo file."),
    "repo-file/option": Code(_ERROR, "a .repo file sets what a bundle may not set",
                             "Remove the line."),
    "repo-file/ids": Code(_ERROR, "<repos> does not name the repositories of the .repo files",
                          "Name each repository in <repos>, and no other."),
    "files/form": Code(_ERROR, "an entry of files/ is not a regular file that can be read",
                       "Replace it by a regular file."),
    "files/name": Code(_ERROR, "the name of a file in files/ is not allowed",
                       "Use letters, digits and . _ + @ : - only."),
    "files/parameter": Code(_ERROR, "a file of files/ refers to a parameter that the descriptor"
                            " does not declare", "Declare the parameter, or write @@ for @."),
    "files/unused": Code(_NOTE, "no setting has a file of files/ as its source",
                         "Remove the file, or name it as the source of a setting."),
    "keys/form": Code(_ERROR, "a file in keys/ is not an armored GPG public key",
                      "Write it with gpg --armor --export."),
    "keys/state": Code(_WARNING, "a key in keys/ has expired, was revoked, or is too weak",
                       "Sign by a key that is valid, and put that into keys/."),
    "signature/invalid": Code(_ERROR, "the signature beside the tar, or beside repomd.xml, is not"
                              " valid", "Sign the file again: gpg --armor --detach-sign FILE."),
    "signature/key": Code(_WARNING, "the signature beside the tar, or beside repomd.xml, is by a"
                          " key that is not in keys/", "Add the public key to keys/."),
    "repository/metadata": Code(_ERROR, "repo/ has no metadata, or metadata that lead elsewhere",
                                "Run createrepo_c on the bundle's repo/ folder."),
    "repository/stale": Code(_ERROR, "the metadata of repo/ name an RPM that is not there, or"
                             " another one", "Run createrepo_c --update repo."),
    "repository/unlisted": Code(_WARNING, "the metadata of repo/ do not name an RPM that is there",
                                "Run createrepo_c --update repo."),
    "repository/package": Code(_ERROR, "an RPM of repo/ cannot be read, or its header is refused",
                               "Build the package again."),
    "packages/missing": Code(_ERROR, "no repository has a package of <packages>",
                             "Correct the name in <packages>, or put the RPM into repo/."),
    "packages/unmet": Code(_ERROR, "neither repo/ nor the base provides a dependency",
                           "Put the package that provides it into repo/."),
    "packages/unchecked": Code(_NOTE, "repo/ does not provide all dependencies, and no base was"
                               " given", "Name a base with --against."),
    "packages/core": Code(_ERROR, "the plugin needs core packages that differ from those of the"
                          " base", "Build the packages for that version."),
    "packages/path": Code(_ERROR, "a package has files outside the allowed paths, in reserved"
                          " places, or where a setting writes",
                          "See ALLOWED PATHS in dnf-node-plugin(8)."),
    "packages/header": Code(_ERROR, "a package could change the machine that installs it",
                            "Leave macros in scriptlets, and device nodes, out of the package."),
    "packages/unsigned": Code(_WARNING, "a package has no signature",
                              "Sign it: rpmsign --addsign FILE."),
    "packages/key": Code(_WARNING, "a package is signed by a key that is not in keys/",
                         "Add the public key to keys/."),
    "packages/signature": Code(_ERROR, "the signature or a digest of a package is not accepted by"
                               " rpm",
                               "Sign it after its last change: rpmsign --addsign FILE."),
    "packages/license": Code(_NOTE, "a package of the plugin has no license in its header",
                             "Add License: to the spec file."),
    "settings/source": Code(_ERROR, "no package and no file of the bundle is the source of a"
                            " setting", "Correct the source, or add the file."),
    "settings/conflict": Code(_ERROR, "settings of the plugin, or a setting and a package,"
                              " contradict each other",
                              "Decide which of the two is meant."),
    "settings/refused": Code(_ERROR, "a setting cannot be applied", "Correct the setting."),
    "older/version": Code(_ERROR, "the version is not newer than that of the older bundle",
                          "Raise <version>."),
    "older/package": Code(_WARNING, "a package is older than in the older bundle",
                          "Raise the version or release of the package."),
    "older/name": Code(_ERROR, "the older bundle is that of another plugin",
                       "Give an older version of the same plugin."),
    "older/origin": Code(_ERROR, "an upgrade is refused, as keys or vendor differ from those of"
                         " the older bundle", "Sign the packages by the same key."),
    "lint/silence": Code(_WARNING, "a line that silences a finding is not valid",
                         "Write the code of a warning or note, and the reason."),
    "lint/unused": Code(_NOTE, "what a line silences was not found", "Remove the line."),
    "lint/incomplete": Code(_NOTE, "some checks could not be made",
                            "Mend the other findings, then run lint again."),
}
"""All kinds. A code is never renamed, as others silence findings by it."""
