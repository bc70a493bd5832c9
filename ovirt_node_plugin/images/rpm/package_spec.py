"""A spec file with which rpmbuild(8) builds an RPM again, from the header of the first one.

All fields come from the header; see rpm's documentation, "Spec file format" and "Tags". What a
spec cannot express, such as triggers here, is found when the two headers are compared.
"""
from __future__ import annotations

import re
import stat
import time
from typing import Iterator, List, Sequence, Tuple

import rpm

from ...errors import Refused

FILES_MACRO = "_packaged_files"
"""The macro with the folder whose files are packed. They are moved, not copied."""

_FIELDS = (("Summary", "summary"), ("License", "license"), ("URL", "url"), ("Group", "group"),
           ("Vendor", "vendor"), ("Packager", "packager"), ("Distribution", "distribution"),
           ("DistTag", "disttag"), ("DistURL", "disturl"), ("BugURL", "bugurl"))
# rpm sets these fields, or times of files, from macros of the machine if the spec does not
_UNSET = ("vendor", "packager", "distribution", "disttag", "disturl", "bugurl",
          "build_mtime_policy")
_SETTINGS = (
    ("debug_package", "%{nil}"), ("__os_install_post", "%{nil}"), ("_build_id_links", "none"),
    ("_changelog_trimage", "0"), ("_changelog_trimtime", "0"),
    ("use_source_date_epoch_as_buildtime", "1"), ("source_date_epoch_from_changelog", "0"),
    ("clamp_mtime_to_source_date_epoch", "0"))
_STREAMS = {"gzip": "gzdio", "bzip2": "bzdio", "xz": "xzdio", "lzma": "lzdio", "zstd": "zstdio"}
DEPENDENCIES = ("require", "provide", "obsolete", "conflict", "recommend", "suggest",
                "supplement", "enhance", "order")
"""The kinds of dependencies, as they begin the names of tags."""
_DEPENDENCY_TAGS = {"order": "OrderWithRequires"}
_SENSES = ((rpm.RPMSENSE_LESS, "<"), (rpm.RPMSENSE_GREATER, ">"), (rpm.RPMSENSE_EQUAL, "="))
# rpmds.h: what needs the dependency
_NEEDED_BY = ((1 << 5, "posttrans"), (1 << 7, "pretrans"), (1 << 9, "pre"), (1 << 10, "post"),
              (1 << 11, "preun"), (1 << 12, "postun"), (1 << 13, "verify"), (1 << 29, "meta"))
# rpm itself adds those on its own features, on the interpreters of scriptlets, and on %config
_RPMLIB = 1 << 24
_AUTOMATIC = 1 << 8 | 1 << 28
_GENERATED = 1 << 14 | 1 << 15  # by the generators of rpmbuild, in the content of files
_SCRIPTLETS = (("pretrans", "pretrans"), ("pre", "prein"), ("post", "postin"), ("preun", "preun"),
               ("postun", "postun"), ("posttrans", "posttrans"), ("verifyscript", "verifyscript"))
_EXPANDED, _QUERY_FORMAT = 1 << 0, 1 << 1  # RPMSCRIPT_FLAG_ of rpmscript.h
# RPMFILE_ and RPMVERIFY_ of rpmfiles.h and rpmvf.h
_FILE_FLAGS = ((1 << 1, "%doc"), (1 << 7, "%license"), (1 << 8, "%readme"), (1 << 6, "%ghost"),
               (1 << 12, "%artifact"))
_CONFIG, _MISSING_OK, _NO_REPLACE = 1 << 0, 1 << 3, 1 << 4
_VERIFIED = ((1 << 0, "filedigest"), (1 << 1, "size"), (1 << 2, "link"), (1 << 3, "user"),
             (1 << 4, "group"), (1 << 5, "mtime"), (1 << 6, "mode"), (1 << 7, "rdev"),
             (1 << 8, "caps"))
_UNWRITABLE = re.compile(r'[\x00-\x1f\x7f"\\]')
_WORD = re.compile(r"[\w.:+=,@|~^ -]*", re.ASCII)
_BAD = "The RPM is not of the form of ovirt-node-ng-image-update."


def spec_text(header: rpm.hdr, release: str) -> str:
    """Return the spec of an RPM with the fields of ``header`` and another ``release``.

    An Obsoletes with the version of the RPM itself gets the new one, as it would have if the RPM
    was built with it: else ovirt-node-ng-image-update-placeholder of the same version stays.
    Raises Refused for fields that a spec cannot have.
    """
    parts = [
        *(f"%global {name} {value}" for name, value in _settings(header)),
        *(f"%undefine {name}" for name in _UNSET),
        f"Name: {plain_word(header['name'])}", f"Version: {plain_word(header['version'])}",
        f"Release: {plain_word(release)}",
        *([f"Epoch: {header['epoch']}"] if header["epoch"] is not None else []),
        *(f"{field}: {_line(header[tag])}" for field, tag in _FIELDS if header[tag]),
        *(["BuildArch: noarch"] if header["arch"] == "noarch" else []),
        *_dependency_lines(header, release),
        "", "%description", _lines(header["description"] or ""),
        "", "%install", f'mkdir -p "%{{buildroot}}"\nmv "%{{{FILES_MACRO}}}"/* "%{{buildroot}}"/',
        *_scriptlets(header), "", "%files", *_files(header), *_changelog(header)]
    return "\n".join(parts) + "\n"


def _line(text: str) -> str:
    """Return ``text`` for a part of a line, in which rpmbuild expands nothing.

    Raises Refused for text that would end the line, or a quoted word in it.
    """
    if _UNWRITABLE.search(text):
        raise Refused(f"the RPM has a field that a spec cannot have: {text!r}", hint=_BAD)
    return text.replace("%", "%%")


def plain_word(text: str) -> str:
    """Return ``text`` for a macro, which rpmbuild expands twice, or for parentheses in %files.

    A shell runs some of what is in %files. Raises Refused for characters that names of packages,
    machines, users, languages and capabilities do not have.
    """
    if not _WORD.fullmatch(text):
        raise Refused(f"the RPM has a field that a spec cannot have: {text!r}", hint=_BAD)
    return text


def _path(text: str) -> str:
    """Return the path of a file in quotes. Raises Refused for one that is not absolute.

    rpmbuild looks for a relative path that is %doc or %license in the folder of the build, and
    copies it from there by a shell.
    """
    if not text.startswith("/"):
        raise Refused(f"the RPM has a file with a relative path: {text!r}", hint=_BAD)
    return f'"{_line(text)}"'


def _lines(text: str) -> str:
    """Return ``text`` for lines of their own, in which rpmbuild expands nothing.

    rpmbuild searches for sections and conditions in lines after it expanded them, and would run
    a section ``%install`` in a description. Raises Refused for lines that begin with ``%``.
    """
    for line in text.split("\n"):
        if line.lstrip().startswith("%"):
            raise Refused(f"the RPM has text with a line that begins with %: {line!r}", hint=_BAD)
    return text.replace("%", "%%")


def _settings(header: rpm.hdr) -> Iterator[Tuple[str, str]]:
    yield from _SETTINGS
    stream = _STREAMS.get(header["payloadcompressor"] or "", "ufdio")
    yield "_binary_payload", f"w{plain_word(header['payloadflags'] or '')}.{stream}"
    yield "_binary_filedigest_algorithm", str(header["filedigestalgo"] or 1)
    yield "_buildhost", plain_word(header["buildhost"] or "localhost")


def dependencies(header: rpm.hdr) -> Iterator[Tuple[str, str, int, str]]:
    """Yield kind, name, flags and version of each dependency but those on features of rpm."""
    for kind in DEPENDENCIES:
        for name, flags, version in zip(*(header[f"{kind}{part}"] or [] for part in (
                "name", "flags", "version"))):
            if not flags & _RPMLIB:
                yield kind, name, flags & ~_GENERATED, version


def is_own(header: rpm.hdr, name: str) -> bool:
    """Return whether rpm itself adds ``name``, with the RPM's version, to the RPM."""
    own = header["name"]
    return name in (own, f"{own}({_isa(header)})", f"config({own})")


def own_evr(header: rpm.hdr, release: str) -> str:
    """Return the version of the RPM with ``release``, as dependencies have it."""
    epoch = f"{header['epoch']}:" if header["epoch"] is not None else ""
    return f"{epoch}{header['version']}-{release}"


def _dependency_lines(header: rpm.hdr, release: str) -> Iterator[str]:
    own = own_evr(header, header["release"])
    for kind, name, flags, version in dependencies(header):
        if flags & _AUTOMATIC or (is_own(header, name) and version == own):
            continue
        field = _DEPENDENCY_TAGS.get(kind, f"{kind.capitalize()}s")
        sense = "".join(sign for bit, sign in _SENSES if flags & bit)
        needed_by = ",".join(word for bit, word in _NEEDED_BY if flags & bit)
        if kind == "obsolete" and version == own:
            version = own_evr(header, release)
        yield (f"{field}{f'({needed_by})' if needed_by else ''}: {_line(name)}"
               + (f" {sense} {_line(version)}" if sense else ""))


def _isa(header: rpm.hdr) -> str:
    """Return the architecture as rpm's macro %_isa has it, for the package's own Provides."""
    return rpm.expandMacro("%{?_isa}").strip("()") if header["arch"] != "noarch" else ""


def _scriptlets(header: rpm.hdr) -> Iterator[str]:
    for section, tag in _SCRIPTLETS:
        body, flags = header[tag], header[f"{tag}flags"] or 0
        program = header[f"{tag}prog"] or []
        if isinstance(program, str):
            program = [program]
        if not program and body is None:
            continue
        options = [word for bit, word in ((_EXPANDED, "-e"), (_QUERY_FORMAT, "-q"))
                   if flags & bit]
        line = " ".join([f"%{section}", *options, *(
            [f'-p "{_line(" ".join(program))}"'] if program else [])])
        yield f"\n{line}" + (f"\n{_lines(body)}" if body is not None else "")


def _files(header: rpm.hdr) -> Iterator[str]:
    columns = [header[tag] for tag in (
        "filenames", "filemodes", "fileusername", "filegroupname", "fileflags",
        "fileverifyflags", "filelangs")]
    capabilities = header["filecaps"] or []
    for number, (path, mode, user, group, flags, verified, language) in enumerate(zip(*columns)):
        bits = "-" if stat.S_ISLNK(mode) else f"{stat.S_IMODE(mode):04o}"
        words = [f"%attr({bits},{plain_word(user)},{plain_word(group)})"]
        words += [word for bit, word in _FILE_FLAGS if flags & bit]
        words += _configuration(flags)
        unverified = [word for bit, word in _VERIFIED if not verified & bit]
        words += [f"%verify(not {' '.join(unverified)})"] if unverified else []
        words += [f"%lang({plain_word(language)})"] if language else []
        words += ([f"%caps({plain_word(capabilities[number])})"]
                  if capabilities and capabilities[number] else [])
        words += ["%dir"] if stat.S_ISDIR(mode) else []
        yield " ".join([*words, _path(path)])


def _configuration(flags: int) -> List[str]:
    options = [word for bit, word in ((_MISSING_OK, "missingok"), (_NO_REPLACE, "noreplace"))
               if flags & bit]
    return ["%config" + (f"({','.join(options)})" if options else "")] if flags & _CONFIG else []


def _changelog(header: rpm.hdr) -> Iterator[str]:
    texts: Sequence[str] = header["changelogtext"] or []
    if texts:
        yield "\n%changelog"
    for at, name, text in zip(header["changelogtime"] or [], header["changelogname"], texts):
        moment = time.gmtime(at)
        day = time.strftime("%a %b %d %Y" if moment[3:6] == (12, 0, 0)
                            else "%a %b %d %H:%M:%S UTC %Y", moment)
        yield f"* {day} {_line(name)}\n{_lines(text)}"
