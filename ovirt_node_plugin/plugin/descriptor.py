"""Read a plugin's descriptor, ``node-plugin.xml``; see node-plugin.xml(5)."""
from __future__ import annotations

import itertools
import re
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, FrozenSet, List, Mapping, Optional, Tuple, Union

from .. import __version__
from ..errors import BadBundle, DescriptorError, located
from ..system.limits import DESCRIPTOR_ITEMS, PROBLEMS, TEXT_BYTES
from ..system.regular_files import NotRegular, TooLarge, read_regular
from ..system.rpm_version import VersionRange, compare
from .parameters import Parameter
from .settings import Setting, read_setting

if TYPE_CHECKING:  # imported at run time only where XML is read
    from ..registry.undo_data import UndoData
    from ..system.xml import Document, XmlElement

DESCRIPTOR_NAME = "node-plugin.xml"
METADATA_TYPE = "node-plugin"
"""The type of descriptors in a repository's metadata (``modifyrepo_c --mdtype``)."""
SCHEMA_VERSION = 1
SCHEMA_ADDRESS = ("https://raw.githubusercontent.com/oVirt/ovirt-node-plugin/main/"
                  "ovirt_node_plugin/schema/node-plugin.rng")
"""Where editors find the schema; the tool itself never reads it."""
SCHEMA_LINE = (f'<?xml-model href="{SCHEMA_ADDRESS}"\n'
               '  type="application/xml" schematypens="http://relaxng.org/ns/structure/1.0"?>')
_SEE = "node-plugin.xml(5) describes every element."
_NO_ELEMENT = rb"<!--.*?-->|<!\[CDATA\[.*?\]\]>|<\?.*?\?>"
_REPOS = re.compile(_NO_ELEMENT + rb"|<repos\b[^>]*/>|<repos\b[^>]*>(?:" + _NO_ELEMENT
                    + rb"|[^<]|</?repo\b[^>]*>)*</repos\s*>", re.DOTALL)


@dataclass(frozen=True)
class When:
    """Settings that apply only if all of these conditions hold.

    ``target`` is ``node``, ``host`` or empty for both; ``archs`` are base architectures as
    in dnf's $basearch, empty for any; ``node_versions`` are versions of oVirt Node;
    ``package`` must be installed in one of ``package_versions``.
    """

    target: str = ""
    archs: Tuple[str, ...] = ()
    node_versions: VersionRange = VersionRange()
    package: str = ""
    package_versions: VersionRange = VersionRange()
    settings: Tuple[Setting, ...] = ()


@dataclass(frozen=True)
class PackageNeed:
    """A package that must be installed, in one of the ``versions``."""

    name: str
    versions: VersionRange


@dataclass(frozen=True)
class Install:
    """A package to install; ``version`` is version or version-release, empty for any."""

    name: str
    version: str


@dataclass(frozen=True)
class Descriptor:
    """The metadata of one plugin; optional texts are empty if absent.

    ``settings`` are in document order; those with a condition are in a ``When``. ``files``
    are the files of the bundle that settings can name as sources, by ``files/NAME``.
    """

    schema_version: int
    name: str
    version: str
    vendor: str
    summary: str
    description: str
    url: str
    license: str
    node_versions: VersionRange
    tool_versions: VersionRange
    needs: Tuple[PackageNeed, ...]
    repo_ids: Tuple[str, ...]
    installs: Tuple[Install, ...]
    excludes: Tuple[str, ...]
    settings: Tuple[Union[Setting, When], ...]
    source_xml: bytes
    files: Mapping[str, bytes] = field(default_factory=dict, hash=False)
    parameters: Tuple[Parameter, ...] = ()
    templates: FrozenSet[str] = frozenset()


def read_descriptor(path: Path) -> Descriptor:
    """Return the descriptor in the file at the host path ``path``.

    Raises DescriptorError as ``parse_descriptor`` does, and for a path that is unreadable or
    not a regular file.
    """
    try:
        data = read_regular(path, max_bytes=TEXT_BYTES, follow=True)
    except (NotRegular, TooLarge) as exc:
        raise DescriptorError(f"{path} is {exc.strerror}") from exc
    except OSError as exc:
        raise DescriptorError(f"{path} cannot be read: {exc.strerror}") from exc
    return parse_descriptor(data, origin=str(path))


def parse_descriptor(data: bytes, *, origin: str) -> Descriptor:
    """Return the descriptor in ``data``; ``origin`` is its name in messages.

    Raises DescriptorError with one line for each error, ``ORIGIN:LINE:COLUMN: expected …,
    found …``, at most ten. A descriptor that is written for a newer schema, or requires a
    newer tool, is reported as that instead of by its unknown elements.
    """
    from ..system import relaxng
    from . import descriptor_rules, parameter_rules

    document = descriptor_document(data, origin=origin)
    _check_schema_version(document.root, origin)
    problems = tuple(itertools.islice(itertools.chain(
        (replace(problem, code="descriptor/schema")
         for problem in relaxng.schema_problems(document, "node-plugin.rng")),
        (replace(problem, code="descriptor/rule") for problem in itertools.chain(
            descriptor_rules.problems(document.root),
            parameter_rules.problems(document.root)))), PROBLEMS))
    if problems:
        _check_tool_of_root(document.root, origin)
    relaxng.raise_problems(problems, origin=origin, error=DescriptorError, hint=_SEE)
    return _descriptor(document.root, data)


def descriptor_document(data: bytes, *, origin: str) -> Document:
    """Return the XML document of a descriptor, not yet compared with the schema.

    Raises DescriptorError for what is not plain XML within the limits.
    """
    from ..system.xml import parse_xml

    return parse_xml(data, origin=origin, error=DescriptorError, max_items=DESCRIPTOR_ITEMS,
                     schema_line=True)


def recorded_descriptor(undo_data: UndoData) -> Descriptor:
    """Return the descriptor of an installed plugin, with the files of its bundle.

    Raises DescriptorError as ``parse_descriptor`` does.
    """
    descriptor = parse_descriptor(undo_data.descriptor,
                                  origin=f"the undo data of {undo_data.name}")
    return replace(descriptor, files=undo_data.files)


def without_repos(data: bytes) -> bytes:
    """Return the valid descriptor ``data`` without its element ``repos``; all else is kept."""
    return _REPOS.sub(lambda match: b"" if match[0].startswith(b"<repos") else match[0], data)


def check_tool(descriptor: Descriptor, *, version: str = __version__) -> None:
    """Check that ``version``, by default that of this tool, is one that a descriptor allows.

    Raises BadBundle for an older one.
    """
    if version not in descriptor.tool_versions:
        raise BadBundle(_newer_tool(f"plugin {descriptor.name} {descriptor.version}",
                                    descriptor.tool_versions.least, version), hint=_UPDATE,
                        code="descriptor/tool")


_UPDATE = "Update ovirt-node-plugin, then try again."


def _newer_tool(subject: str, needed: str, version: str) -> str:
    return f"{subject} needs ovirt-node-plugin {needed} or newer; this is {version}"


def _check_schema_version(root: XmlElement, origin: str) -> None:
    if root.tag != "node-plugin":
        return
    text = root.get("schema-version")
    if not re.fullmatch("[1-9][0-9]{0,8}", text):
        found = repr(text[:40]) if "schema-version" in root.attributes else "none"
        raise located(
            DescriptorError, origin, root.line, root.column,
            f"expected a schema version from 1 to {SCHEMA_VERSION} in "
            f'<node-plugin schema-version="…">, found {found}', hint=_SEE)
    if int(text) > SCHEMA_VERSION:
        raise located(
            DescriptorError, origin, root.line, root.column,
            f"the descriptor is written for schema version {text}; "
            f"this tool knows {SCHEMA_VERSION}", hint=_UPDATE)


def _check_tool_of_root(root: XmlElement, origin: str) -> None:
    """Refuse an invalid descriptor that requires a newer tool, as that is the likely cause."""
    for requires in root.all("requires"):
        for tool in requires.all("tool"):
            needed = tool.get("min")
            if (re.fullmatch(r"[0-9][A-Za-z0-9._+~^]{0,60}", needed)
                    and compare(__version__, needed) < 0):
                raise DescriptorError(
                    _newer_tool(f"{origin}:{tool.line}:{tool.column}: the plugin", needed,
                                __version__), hint=_UPDATE, code="descriptor/tool")


def _descriptor(root: XmlElement, data: bytes) -> Descriptor:
    from .parameter_rules import read_parameter, templates

    requires, repos = root.first("requires"), root.first("repos")
    packages, settings = root.first("packages"), root.first("settings")
    node = requires.first("node") if requires else None
    tool = requires.first("tool") if requires else None
    return Descriptor(
        schema_version=int(root.get("schema-version")),
        name=root.child_text("name"), version=root.child_text("version"),
        vendor=root.child_text("vendor"), summary=root.child_text("summary"),
        description=_paragraphs(root.first("description")),
        url=root.child_text("url"), license=root.child_text("license"),
        node_versions=_range(node), tool_versions=_range(tool),
        needs=tuple(PackageNeed(need.get("name"), _range(need))
                    for need in _children(requires, "package")),
        repo_ids=tuple(repo.get("id") for repo in _children(repos, "repo")),
        installs=tuple(Install(item.get("name"), item.get("version"))
                       for item in _children(packages, "install")),
        excludes=tuple(item.get("name") for item in _children(packages, "exclude")),
        settings=tuple(_setting_or_when(node) for node in settings.children) if settings else (),
        source_xml=data,
        parameters=tuple(read_parameter(node)
                         for node in _children(root.first("parameters"), "parameter")),
        templates=frozenset(node.get("source") for node in templates(root)))


def _children(parent: Optional[XmlElement], tag: str) -> Tuple[XmlElement, ...]:
    return parent.all(tag) if parent is not None else ()


def _setting_or_when(node: XmlElement) -> Union[Setting, When]:
    if node.tag != "when":
        return read_setting(node)
    return When(
        target=node.get("target"), archs=tuple(node.get("arch").split()),
        node_versions=_range(node, "node-"), package=node.get("package"),
        package_versions=_range(node, "package-"),
        settings=tuple(read_setting(child) for child in node.children))


def _range(node: Optional[XmlElement], prefix: str = "") -> VersionRange:
    """Return the range of the attributes ``min`` and ``max``, with ``prefix`` before them."""
    if node is None:
        return VersionRange()
    return VersionRange(node.get(f"{prefix}min"), node.get(f"{prefix}max"))


def _paragraphs(node: Optional[XmlElement]) -> str:
    """Return a text with each paragraph on one line, and blank lines between them."""
    if node is None:
        return ""
    paragraphs: List[str] = re.split(r"\n[ \t]*\n", node.text.strip())
    return "\n\n".join(" ".join(p.split()) for p in paragraphs if p.strip())
