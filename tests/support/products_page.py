"""docs/products.md, made of the list of products and of the rules about paths.

``python -m tests.support.products_page`` writes it again.
"""
from __future__ import annotations

import re
from pathlib import Path
from typing import Iterator, List, Mapping

from ovirt_node_plugin.policy import other_places
from ovirt_node_plugin.policy.path_rules import PathPolicy, built_in

from .product_layouts import PRODUCTS, Product

PAGE = Path(__file__).resolve().parents[2] / "docs/products.md"
_SITE = Path("/etc/ovirt-node-plugin/paths.d")

_HEAD = """\
# Products

How {count} products of vendors fit into a plugin. A vendor finds here what a descriptor carries and
what it does not; a site finds what it has to allow. [vendors.md](vendors.md) says how a plugin is
made.

The rules about paths were run on the files below: what fits, what a site has to allow and what is
refused is what they say. The files are examples of those in the packages. No product was installed:
"from memory" means that the list was not compared with a package. Compare it with yours:
`ovirt-node-plugin new NAME --from RPM` shows the same of any RPM.

| product | carried | not carried | a site has to allow |
|---|---|---|---|
"""
_TAIL = """\
## Not here

A product is not a plugin if it replaces packages of the image, such as libvirt, qemu-kvm or the
kernel, or if it needs a compiler on the host. A product that is only an installer needs RPMs of its
files first.
"""


def page_text() -> str:
    """Return the text of the page."""
    rows = "".join(f"| [{name}](#{_anchor(name)}) | {_carried(product)} |"
                   f" {product.gap or 'nothing'} | {_allowed(product) or 'nothing'} |\n"
                   for name, product in PRODUCTS.items())
    parts = ["\n".join(_section(name, product)) for name, product in PRODUCTS.items()]
    return f"{_HEAD.format(count=len(PRODUCTS))}{rows}\n" + "\n".join([*parts, _TAIL])


def _anchor(name: str) -> str:
    return re.sub(r"[^\w\- ]", "", name.lower()).replace(" ", "-")


def objections(product: Product) -> Mapping[str, str]:
    """Map the files of a product that the rules refuse to their reasons."""
    policy = PathPolicy(built_in(kernel_module=product.modules))
    files = [*product.fit, *product.elsewhere,
             *(path for paths in product.homes.values() for path in paths)]
    return {path: reason for path in files for reason in [policy.objection(path)] if reason}


def _allowed(product: Product) -> str:
    """Return the folders that a site has to allow, as the rules name them."""
    refused = [path for path in objections(product) if path not in product.elsewhere]
    lines = other_places.hint(refused, _SITE).split("\n")[1:] if refused else []
    return ", ".join(f"`{line.split()[1]}`" for line in lines)


def _carried(product: Product) -> str:
    """Return the names of the elements that carry the product, each once."""
    names = [re.findall(r"[\w-]+", element)[0] for element in product.settings]
    return ", ".join(["packages", *dict.fromkeys(f"`<{name}>`" for name in names)])


def _section(name: str, product: Product) -> Iterator[str]:
    refused = objections(product)
    yield f"## {name}\n"
    yield f"{product.ships}\n"
    yield f"- Files that fit: {_names(path for path in product.fit if path not in refused)}"
    if _allowed(product):
        yield ("- Files that a site has to allow:"
               f" {_names(path for path in refused if path not in product.elsewhere)}")
        yield ("- The site writes into `/etc/ovirt-node-plugin/paths.d/site.conf`:"
               f" {_allowed(product).replace('`/', '`allow /')}")
    for path, element in product.elsewhere.items():
        yield f"- Refused: `/{path}`, since {refused[path]}. Instead: `{element[:-1]} .../>`"
    yield from (f"- {_code(text)}" for text in product.lacks)
    yield f"- Source: {product.source or 'from memory'}.\n"
    yield "```xml"
    yield "\n".join(_fragment(product))
    yield "```\n"


def _names(paths: Iterator[str]) -> str:
    return ", ".join(f"`/{path}`" for path in paths)


def _code(text: str) -> str:
    return re.sub(r"<[\w-]+>", lambda match: f"`{match[0]}`", text)


def _fragment(product: Product) -> List[str]:
    lines = ["<packages>", *(f'  <install name="{name}"/>' for name in product.installs),
             "</packages>"]
    if product.settings:
        lines += ["<settings>", *(f"  {element}" for element in product.settings), "</settings>"]
    return lines


def descriptor(product: Product) -> str:
    """Return a whole descriptor with the elements that the page shows."""
    return "\n".join(['<node-plugin schema-version="1">', "<name>acme</name>",
                      "<version>1</version>", "<vendor>Acme</vendor>", "<summary>x</summary>",
                      *_fragment(product), "</node-plugin>"])


if __name__ == "__main__":
    PAGE.write_text(page_text(), encoding="utf-8")
