"""Which plugins a word of the command line names: NAME, a glob, NAME=VERSION or NAME-VERSION."""
from __future__ import annotations

from fnmatch import fnmatchcase
from pathlib import Path
from typing import Dict, Iterable, List, Sequence, Tuple

from ..errors import UnknownPlugin, not_installed
from ..plugin.library import check_name
from ..registry import store

Plugin = Tuple[str, str]
"""The name and the version of a plugin."""
_HINT = "dnf node-plugin list shows those that are installed."


def is_pattern(word: str) -> bool:
    """Return whether ``word`` is a glob or NAME=VERSION, and not a name."""
    return any(letter in word for letter in "*?[=")


def check_word(word: str) -> str:
    """Return ``word`` if it is a name or a pattern. Raises UsageError for anything else."""
    name = word.partition("=")[0]
    if not is_pattern(name):
        check_name(name)
    return word


def select(word: str, plugins: Iterable[Plugin]) -> List[Plugin]:
    """Return those of ``plugins`` that ``word`` names.

    A plugin whose name is the word itself goes before one whose NAME-VERSION it is. The
    version may be a glob too.
    """
    plugins = list(plugins)
    name, equals, version = word.partition("=")
    if equals:
        return [plugin for plugin in plugins
                if fnmatchcase(plugin[0], name) and fnmatchcase(plugin[1], version)]
    exact = [plugin for plugin in plugins if plugin[0] == word]
    return exact or [plugin for plugin in plugins if fnmatchcase(plugin[0], word)
                     or fnmatchcase("-".join(plugin), word)]


def may_name(word: str, name: str) -> bool:
    """Return whether ``word`` may name a version of the plugin ``name``."""
    return fnmatchcase(name, word.partition("=")[0]) or word.startswith(f"{name}-")


def installed(words: Sequence[str], root: Path, *, hint: str = _HINT) -> Tuple[str, ...]:
    """Return the names of the installed plugins that ``words`` name, each once.

    A plugin with a damaged record counts; its version is empty. Raises UnknownPlugin, with
    ``hint``, for a word without a plugin, and UsageError for one that is no word.
    """
    registry = store.read_registry(root)
    versions = {**dict.fromkeys(registry.damaged, ""),
                **{name: record.version for name, record in registry.records.items()}}
    names: Dict[str, None] = {}
    for word in words:
        selected = select(check_word(word), versions.items())
        if not selected:
            raise _no_match(word, versions, root, hint)
        names.update(dict.fromkeys(name for name, _ in selected))
    return tuple(names)


def _no_match(word: str, versions: Dict[str, str], root: Path, hint: str) -> UnknownPlugin:
    name, _, version = word.partition("=")
    if version and name in versions:
        return UnknownPlugin(f"plugin {name} is installed in {root} in version"
                             f" {versions[name] or 'unknown'}, not {version}", hint=hint)
    if is_pattern(word):
        return UnknownPlugin(f"no plugin that is installed in {root} matches {word}", hint=hint)
    return not_installed(word, root, hint=hint)
