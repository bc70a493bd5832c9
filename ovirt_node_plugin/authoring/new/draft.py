"""A descriptor in the making: its fields, from the headers of packages, and as commented XML."""
from __future__ import annotations

import textwrap
from dataclasses import dataclass
from typing import Dict, Iterator, List, Mapping, Sequence, Tuple

from ...packages.described import DescribedPackage
from ...plugin.descriptor import SCHEMA_LINE
from ...system.words import first_lines, printable
from ...system.xml import comment_text, element_text
from .examine import Findings
from .suggestions import Suggestion, is_valid_field, is_valid_part

_COLUMNS = 98
_MOST_LISTED = 50
_MOST_COMMENT = 600  # the whole descriptor has to stay below its limit
_MOST_LINE, _MOST_TEXT, _MOST_NEEDS = 200, 10000, 20
# Subpackages that nobody installs on a hypervisor.
_UNUSUAL = ("-debuginfo", "-debugsource", "-devel", "-static", "-tests")
# Packages of the image on whose version a plugin may depend.
_OF_THE_IMAGE = frozenset((
    "device-mapper-multipath", "firewalld", "iscsi-initiator-utils", "kernel", "libvirt-daemon",
    "lvm2", "qemu-kvm", "sanlock", "systemd", "vdsm"))
PLACEHOLDERS: Mapping[str, str] = {
    "version": "1.0", "vendor": "Name of the vendor", "summary": "What the plugin is, in one line"}
# The order of settings: they are applied in the order of the document.
_ORDER = ("leave-out", "group", "user", "selinux-module", "sysctl", "tmpfiles", "udev-rules",
          "multipath-config", "config-file", "ca-certificate", "logrotate", "kernel-module",
          "initramfs-driver", "dracut-module", "persistent-path", "vdsm-hook", "unit-drop-in",
          "firewall-service", "service", "")


@dataclass(frozen=True)
class DescriptorDraft:
    """A descriptor that is not written yet.

    ``fields`` are the texts of its elements by name, ``installs`` the packages, ``others`` those
    that hardly anybody installs, ``needs`` the elements of ``<requires>`` as XML; ``todo`` names
    the fields that have a placeholder.
    """

    fields: Mapping[str, str]
    repo_id: str
    installs: Tuple[str, ...]
    others: Tuple[str, ...]
    needs: Tuple[str, ...]
    findings: Findings
    todo: Tuple[str, ...]

    @property
    def repo_ids(self) -> Tuple[str, ...]:
        """The ids of the repositories in the bundle's .repo file."""
        return tuple(self.findings.repos.options) or (self.repo_id,)

    @property
    def settings(self) -> Tuple[Suggestion, ...]:
        """The settings in the order in which the descriptor has them."""
        return tuple(sorted(self.findings.settings, key=lambda each: (
            _ORDER.index(each.element) if each.element in _ORDER else 0)))


def draft(name: str, packages: Sequence[DescribedPackage], findings: Findings) -> DescriptorDraft:
    """Return the draft for a plugin ``name``, which is valid, of ``packages``, perhaps none."""
    names = [each for each in dict.fromkeys(package.name for package in packages)
             if is_valid_part(f"<packages>{element_text('install', [('name', each)])}</packages>")]
    installs = [each for each in names if not each.endswith(_UNUSUAL)] or names
    main = next((package for package in packages if package.name in installs[:1]), None)
    fields: Dict[str, str] = {"name": name}
    todo: List[str] = []
    for tag in ("version", "vendor", "summary", "description", "url", "license"):
        text = _field(tag, str(getattr(main, tag))) if main is not None else ""
        if not text and tag in PLACEHOLDERS:
            text = PLACEHOLDERS[tag]
            todo.append(tag)
        fields[tag] = text
    if fields["description"].rstrip(".") == fields["summary"]:
        fields["description"] = ""
    return DescriptorDraft(
        fields, repo_id=name.replace("+", "-"), installs=tuple(installs) or (name,),
        others=tuple(each for each in names if each not in installs),
        needs=tuple(_needs(packages)), findings=findings,
        todo=(*todo, *(() if fields["license"] else ("license",)),
              *(() if packages else ("packages",))))


def _field(tag: str, text: str) -> str:
    """Return a text of a header as an element may have it, empty if it cannot."""
    if tag == "description":
        text = "\n".join(printable(line.rstrip()) for line in text.strip().split("\n"))[:_MOST_TEXT]
    else:
        text = printable(" ".join(text.split()))[:_MOST_LINE].strip()
    return text if text and text != "(none)" and is_valid_field(tag, text) else ""


def _needs(packages: Sequence[DescribedPackage]) -> Iterator[str]:
    own = {package.name for package in packages}
    found: Dict[str, str] = {}
    for package in packages:
        for name, version in package.requires:
            if name not in own and (version or name in _OF_THE_IMAGE):
                found.setdefault(name, version)
    for name, version in sorted(found.items())[:_MOST_NEEDS]:
        part = element_text("package", [("name", name), *([("min", version)] if version else [])])
        if is_valid_part(f"<requires>{part}</requires>"):
            yield part


def descriptor_text(plan: DescriptorDraft) -> str:
    """Return the descriptor with its comments."""
    return "".join(f"{line}\n" for line in _lines(plan))


def _lines(plan: DescriptorDraft) -> Iterator[str]:
    yield '<?xml version="1.0" encoding="UTF-8"?>'
    yield SCHEMA_LINE
    yield from _comment(
        f"The descriptor of the plugin {plan.fields['name']}; node-plugin.xml(5) describes every"
        " element. An element in a comment is for you to decide: remove the marks around it, or the"
        " comment.", "")
    yield '<node-plugin schema-version="1">'
    for tag, text in plan.fields.items():
        if tag in _ABOUT and (tag in plan.todo or tag in ("name", "version")):
            yield from _comment(_ABOUT[tag])
        if text:
            yield f"  {element_text(tag, (), text=text)}"
        elif tag == "license":
            yield from _disabled(element_text(tag, (), text="GPL-2.0-or-later"), "  ")
    yield from _requires(plan)
    yield from _comment("The ids of the repositories in the .repo files beside this file.")
    repos = "".join(element_text("repo", [("id", each)]) for each in plan.repo_ids)
    yield f"  <repos>{repos}</repos>"
    yield from _comment("Dependencies of these packages are installed with them.")
    yield "  <packages>"
    for name in plan.installs:
        yield f"    {element_text('install', [('name', name)])}"
    for name in plan.others:
        yield from _disabled(element_text("install", [("name", name)]))
    yield "  </packages>"
    yield from _settings(plan)
    yield "</node-plugin>"


_ABOUT: Mapping[str, str] = {
    "name": "The name that administrators type; it is the same in all versions of the plugin.",
    "version": "The version of the plugin, not of its packages: raise it with each new bundle.",
    "vendor": "Who is responsible for the plugin: replace this text.",
    "summary": "Replace this text.",
    "license": "One line, preferably an SPDX expression."}


def _requires(plan: DescriptorDraft) -> Iterator[str]:
    yield from _comment(
        "What the plugin as a whole needs: the versions of oVirt Node that you tested, and packages"
        " of the image that must not be older. Packages below are those that the RPMs require.")
    yield "  <requires>"
    for part in (element_text("node", [("min", "4.5")]), *plan.needs):
        yield from _disabled(part)
    yield "  </requires>"


def _settings(plan: DescriptorDraft) -> Iterator[str]:
    yield from _comment("What takes effect when the plugin is installed.")
    yield "  <settings>"
    for each in plan.settings:
        yield from _comment(each.reason, "    ")
        if each.sure:
            yield f"    {each.text}"
        elif each.element:
            yield from _disabled(each.text)
    for text in (*_refused(plan), *_active(plan)):
        yield from _comment(text, "    ")
    if not plan.settings:
        for text in _EXAMPLES:
            yield from _disabled(text)
    yield "  </settings>"


def _refused(plan: DescriptorDraft) -> List[str]:
    return first_lines([
        f"A node refuses {each.path} of {each.package}: {each.reason}. {each.place}"
        for each in plan.findings.outside if not each.carried], _MOST_LISTED, after=" files")


def _active(plan: DescriptorDraft) -> List[str]:
    told = {word for each in plan.settings for word in each.reason.split()}
    return first_lines([
        f"{each.path} of {each.package}{f', {each.what},' if each.what else ''} is active without a"
        " setting; the plan lists it for review."
        for each in plan.findings.active if each.path not in told], _MOST_LISTED, after=" files")


_EXAMPLES = ('<service name="NAME.service" state="enabled"/>',
             '<firewall-port port="9100" protocol="tcp"/>',
             '<sysctl name="vm.swappiness" value="10"/>',
             '<kernel-module name="NAME" load="yes"/>')


def _comment(text: str, indent: str = "  ") -> Iterator[str]:
    yield from textwrap.wrap(
        comment_text(printable(text)[:_MOST_COMMENT]), _COLUMNS, initial_indent=indent,
        subsequent_indent=indent + "     ", break_long_words=False, break_on_hyphens=False)


def _disabled(element: str, indent: str = "    ") -> Iterator[str]:
    yield indent + comment_text(element)
