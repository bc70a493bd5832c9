"""Parse untrusted XML, without entities, DTDs or network, and with positions."""
from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import TYPE_CHECKING, Dict, Iterable, List, Mapping, Optional, Tuple, Type
from xml.parsers import expat

from ..errors import NodePluginError, located
from .limits import TEXT_BYTES, XML_DEPTH, XML_ITEMS

if TYPE_CHECKING:
    from lxml import etree

_SPACE = re.compile("[ \t\r\n]+")
_HYPHENS = re.compile("--+")


@dataclass(frozen=True)
class XmlElement:
    """One element: its name, attributes, own text and children.

    ``tag`` is ``{namespace}name`` for an element in a namespace; ``text`` is the text
    directly in it, as written; ``line`` and ``column`` are the position of its ``<``,
    counted from 1.
    """

    __slots__ = ("tag", "attributes", "text", "children", "line", "column")

    tag: str
    attributes: Mapping[str, str]
    text: str
    children: Tuple[XmlElement, ...]
    line: int
    column: int

    def get(self, name: str, default: str = "") -> str:
        """Return an attribute with each run of white space replaced by one blank."""
        return collapse(self.attributes.get(name, default))

    def first(self, tag: str) -> Optional[XmlElement]:
        """Return the first child of that name, or None."""
        return next((child for child in self.children if child.tag == tag), None)

    def all(self, tag: str) -> Tuple[XmlElement, ...]:
        """Return the children of that name, in order."""
        return tuple(child for child in self.children if child.tag == tag)

    def child_text(self, tag: str) -> str:
        """Return the text of the first child of that name, collapsed; empty if none."""
        child = self.first(tag)
        return collapse(child.text) if child is not None else ""


@dataclass(frozen=True)
class Document:
    """A well-formed document.

    ``tree`` is lxml's element tree of the same bytes, for validation only.
    """

    root: XmlElement
    tree: etree._ElementTree = field(repr=False)


@dataclass(frozen=True)
class Comment:
    """A comment: its text and the position of its ``<``, counted from 1."""

    text: str
    line: int
    column: int


def comments(data: bytes) -> List[Comment]:
    """Return the comments of a document that ``parse_xml`` reads."""
    parser, found = expat.ParserCreate(), []

    def add(text: str) -> None:
        found.append(Comment(text, parser.CurrentLineNumber, parser.CurrentColumnNumber + 1))

    parser.CommentHandler = add
    parser.Parse(data, True)
    return found


def collapse(text: str) -> str:
    """Return ``text`` stripped and with each run of white space replaced by one blank."""
    return _SPACE.sub(" ", text).strip(" ")


def parse_xml(data: bytes, *, origin: str, error: Type[NodePluginError],
              max_bytes: int = TEXT_BYTES, max_items: int = XML_ITEMS,
              schema_line: bool = False) -> Document:
    """Return the document in ``data``, UTF-8 text within the limits.

    ``max_items`` limits its elements, attributes and namespaces together. ``schema_line`` allows
    an ``xml-model`` instruction before the root, by which editors find a schema; it is skipped.

    Raises ``error``, naming ``origin``, line and column, for anything that is not
    plain XML: not well-formed, another encoding, a DOCTYPE, an entity, a
    processing instruction, too deep, too big.
    """
    places = _Scan(origin, error, max_items, schema_line).scan(data, max_bytes)
    from lxml import etree  # here, because importing it is slow and most runs read no XML

    parser = etree.XMLParser(resolve_entities=False, no_network=True, load_dtd=False,
                             dtd_validation=False, huge_tree=True, recover=False,
                             remove_comments=True, remove_pis=True)
    try:
        root = etree.fromstring(data, parser)
    except etree.XMLSyntaxError as exc:
        line, column = exc.position
        raise located(error, origin, line, column,
                      f"expected well-formed XML, found: {exc.msg}") from exc
    places.reverse()
    return Document(_node(root, places), root.getroottree())


def _node(element: etree._Element, places: List[Tuple[int, int]]) -> XmlElement:
    """Convert an element of lxml; takes its position from the end of ``places``."""
    line, column = places.pop()
    texts = [element.text or ""]
    children = []
    for child in element:
        children.append(_node(child, places))
        texts.append(child.tail or "")
    attributes: Dict[str, str] = {str(k): str(v) for k, v in element.attrib.items()}
    return XmlElement(tag=str(element.tag), attributes=attributes, text="".join(texts),
                      children=tuple(children), line=line, column=column)


class _Scan:
    """A pass of expat that refuses dangerous XML and records each element's position.

    lxml gives no columns, counts lines up to 65535 only, and reads a DOCTYPE before it can
    be refused.
    """

    def __init__(self, origin: str, error: Type[NodePluginError], max_items: int,
                 schema_line: bool) -> None:
        self._origin = origin
        self._error = error
        self._max_items = max_items
        self._schema_line = schema_line
        self._items = 0
        self._depth = 0
        self._places: List[Tuple[int, int]] = []
        self._parser = expat.ParserCreate(namespace_separator=" ")
        self._parser.buffer_text = True
        self._parser.XmlDeclHandler = self._declaration
        self._parser.StartDoctypeDeclHandler = self._doctype
        self._parser.EntityDeclHandler = self._entity
        self._parser.ProcessingInstructionHandler = self._instruction
        self._parser.StartElementHandler = self._start
        self._parser.EndElementHandler = self._end
        self._parser.StartNamespaceDeclHandler = self._namespace

    def scan(self, data: bytes, max_bytes: int) -> List[Tuple[int, int]]:
        if len(data) > max_bytes:
            raise located(self._error, self._origin, 1, 1,
                          f"expected at most {max_bytes} bytes, found {len(data)}")
        try:
            data.decode("utf-8")
        except UnicodeDecodeError as exc:
            line = data.count(b"\n", 0, exc.start) + 1
            column = exc.start - (data.rfind(b"\n", 0, exc.start) + 1) + 1
            raise located(self._error, self._origin, line, column, "expected UTF-8, "
                          f"found the byte 0x{data[exc.start]:02x}") from exc
        try:
            self._parser.Parse(data, True)
        except expat.ExpatError as exc:
            raise located(self._error, self._origin, exc.lineno, exc.offset + 1, "expected "
                          f"well-formed XML, found: {expat.ErrorString(exc.code)}") from exc
        return self._places

    def _refuse(self, expected: str, found: str) -> NodePluginError:
        line, column = self._here()
        return located(self._error, self._origin, line, column,
                       f"expected {expected}, found {found}")

    def _here(self) -> Tuple[int, int]:
        return self._parser.CurrentLineNumber, self._parser.CurrentColumnNumber + 1

    def _declaration(self, version: str, encoding: Optional[str], standalone: int) -> None:
        if encoding is not None and encoding.upper() != "UTF-8":
            raise self._refuse("the encoding UTF-8", encoding)

    def _doctype(self, name: str, system: Optional[str], public: Optional[str],
                 internal: int) -> None:
        raise self._refuse("no DOCTYPE", f"<!DOCTYPE {name}>")

    def _entity(self, name: str, *rest: object) -> None:
        raise self._refuse("no entity declaration", f"<!ENTITY {name}>")

    def _instruction(self, target: str, data: str) -> None:
        if target == "xml-model" and self._schema_line and not self._places:
            self._schema_line = False
            return
        raise self._refuse("no processing instruction", f"<?{target}?>")

    def _start(self, name: str, attributes: Mapping[str, str]) -> None:
        self._depth += 1
        if self._depth > XML_DEPTH:
            raise self._refuse(f"at most {XML_DEPTH} levels of elements", "one more")
        self._count(1 + len(attributes))
        self._places.append(self._here())

    def _end(self, name: str) -> None:
        self._depth -= 1

    def _namespace(self, prefix: Optional[str], uri: Optional[str]) -> None:
        self._count(1)

    def _count(self, items: int) -> None:
        self._items += items
        if self._items > self._max_items:
            raise self._refuse(f"at most {self._max_items} elements and attributes", "more")


def element_text(tag: str, attributes: Iterable[Tuple[str, str]],
                 children: Iterable[Tuple[str, Iterable[Tuple[str, str]]]] = (), *,
                 text: str = "") -> str:
    """Return an element as text on one line; ``children`` are tags with their attributes.

    Raises ValueError for characters that XML cannot have.
    """
    from lxml import etree

    element = etree.Element(tag, dict(attributes))
    for child, values in children:
        etree.SubElement(element, child, dict(values))
    if text:
        element.text = text
    return etree.tostring(element, encoding="unicode")


def comment_text(text: str) -> str:
    """Return a comment with ``text``, in which the second of two hyphens is a reference.

    So an element in the comment is itself again when the marks of the comment are removed.
    Raises ValueError for characters that XML cannot have.
    """
    from lxml import etree

    inside = _HYPHENS.sub(lambda hyphens: "-" + "&#45;" * (len(hyphens[0]) - 1), text)
    return etree.tostring(etree.Comment(f" {inside} "), encoding="unicode")
