"""What a descriptor must keep to and its RELAX NG schema cannot say."""
from __future__ import annotations

import fnmatch
import posixpath
from typing import Callable, Dict, Hashable, Iterator, Sequence, Tuple

from .relaxng import Problem, problem_at, quoted
from .vdsm import HOOK_POINTS, nearest_point
from .versions import compare
from .xmlread import Node


def problems(root: Node) -> Tuple[Problem, ...]:
    """Return what is wrong in a descriptor besides what its schema says.

    The document need not be valid: what is missing in it is passed over here.
    """
    return tuple(found for rule in _RULES for found in rule(root))


def _bounds(root: Node) -> Iterator[Problem]:
    for requires in root.all("requires"):
        for need in (*requires.all("node"), *requires.all("package")):
            least, most = need.get("min"), need.get("max")
            if least and most and compare(least, most) > 0:
                yield problem_at(need, f"expected a min that is not above max {most}, "
                                       f"found min {least}")


def _needs(root: Node) -> Iterator[Problem]:
    for requires in root.all("requires"):
        yield from _once(requires.all("package"), lambda node: node.get("name"),
                         lambda node: f"<package> named {node.get('name')}")


def _repo_ids(root: Node) -> Iterator[Problem]:
    for repos in root.all("repos"):
        yield from _once(repos.all("repo"), lambda node: node.get("id"),
                         lambda node: f"<repo> with id {node.get('id')}")
        for repo in repos.all("repo"):
            if repo.get("id") == "main":
                yield problem_at(repo, "expected the id of a repo, found main, the name of "
                                       "dnf's own section")


def _packages(root: Node) -> Iterator[Problem]:
    for packages in root.all("packages"):
        installs, excludes = packages.all("install"), packages.all("exclude")
        yield from _once(installs, lambda node: node.get("name"),
                         lambda node: f"<install> of {node.get('name')}")
        yield from _once(excludes, lambda node: node.get("name"),
                         lambda node: f"<exclude> of {node.get('name')}")
        for exclude in excludes:
            for install in installs:
                if fnmatch.fnmatchcase(install.get("name"), exclude.get("name")):
                    yield problem_at(
                        exclude, "expected a package that is not installed as well, found "
                                 f"{exclude.get('name')}, which names {install.get('name')}")


def _services(root: Node) -> Iterator[Problem]:
    for settings in root.all("settings"):
        yield from _once(settings.all("service"), lambda node: node.get("name"),
                         lambda node: f"<service> named {node.get('name')}")


def _kernel_modules(root: Node) -> Iterator[Problem]:
    """Check that each has an effect, once, and not the opposite one too."""
    effects: Dict[Tuple[str, str], Node] = {}
    opposite = {"load": "blacklist", "blacklist": "load"}
    modules = [m for settings in root.all("settings") for m in settings.all("kernel-module")]
    for module in modules:
        name = module.get("name").replace("-", "_")  # modprobe(8): the same to it
        mine = [e for e in ("load", "blacklist") if module.get(e) == "yes"]
        mine += ["options"] if "options" in module.attributes else []
        if not mine:
            yield problem_at(module, 'expected load="yes", options or blacklist="yes" in '
                                     "<kernel-module>, found none of them")
        for effect in mine:
            if (name, effect) in effects:
                yield problem_at(module, f"expected one {effect} for module "
                                         f"{module.get('name')}, found a second")
            effects[name, effect] = module
            if (name, opposite.get(effect, "")) in effects:
                yield problem_at(module, f"expected load or blacklist for module "
                                         f"{module.get('name')}, found both")


def _vdsm_hooks(root: Node) -> Iterator[Problem]:
    for settings in root.all("settings"):
        hooks = settings.all("vdsm-hook")
        for hook in hooks:
            point, source = hook.get("point"), hook.attributes.get("source", "")
            if point and point not in HOOK_POINTS:
                yield problem_at(hook, f"expected a VDSM hook point, found {quoted(point)}: "
                                       f"{point[:64]} is no VDSM hook point; the nearest is "
                                       f"{nearest_point(point[:64])}")
            if source.startswith("/") and not _is_plain(source):
                yield problem_at(hook, "expected an absolute path without '..', '.' or empty "
                                       f"parts as source of <vdsm-hook>, found {quoted(source)}")
        yield from _once(hooks, lambda node: (node.get("point"), node.get("order"),
                                              node.get("name")),
                         lambda node: f"<vdsm-hook> {node.get('order')}_{node.get('name')} at "
                                      f"{node.get('point')}")


def _is_plain(path: str) -> bool:
    return posixpath.normpath(path) == path and not path.startswith("//")


def _once(nodes: Sequence[Node], key: Callable[[Node], Hashable],
          words: Callable[[Node], str]) -> Iterator[Problem]:
    seen = set()
    for node in nodes:
        if key(node) in seen:
            yield problem_at(node, f"expected one {words(node)}, found a second")
        seen.add(key(node))


_RULES = (_bounds, _needs, _repo_ids, _packages, _services, _kernel_modules, _vdsm_hooks)
