"""Disable other dnf plugins while ``dnf node-plugin`` works on another root.

DNF loads every plugin of the machine. Some act on that machine whatever the installroot
is, and RHEL's subscription-manager writes into the installroot as soon as its plugin is
made. DNF has no documented way to unload a plugin. So the hooks of its class, which are
documented, are replaced by those of dnf.Plugin, which do nothing. That works before a
plugin is made and after it.
"""
from __future__ import annotations

import fnmatch
from typing import Collection, Iterable, List, NoReturn, Optional, Sequence, Set

import dnf
import dnf.cli.option_parser

from ..errors import Refused
from .dnf_types import DnfBase, DnfPluginClass

COMMAND = "node-plugin"
# dnf.Plugin's methods that DNF calls; "Plugin Interface" in DNF's API reference.
_HOOKS = ("__init__", "pre_config", "config", "sack", "resolved", "pre_transaction",
          "transaction")


def is_asked(argv: Sequence[str]) -> bool:
    """Return whether dnf's own parser finds this project's command in the arguments of dnf."""
    try:
        options, _ = _Parser().parse_known_args(list(argv))
    except ValueError:
        return False
    return getattr(options, "command", None) == COMMAND


def keep_out(own: object, globs: Iterable[str], *,
             among: Optional[Collection[object]] = None) -> List[str]:
    """Replace the hooks of plugin classes whose names match one of ``globs``; return the names.

    The class ``own`` stays as it is, as do classes whose hooks were replaced before, and
    those that are not ``among`` the given ones (None: all).
    """
    classes: Iterable[DnfPluginClass] = dnf.Plugin.__subclasses__()  # what DNF loads
    disabled = [cls for cls in classes if cls is not own and _matches(cls, globs)
                and "kept_out" not in vars(cls) and (among is None or cls in among)]
    for cls in disabled:
        for hook in _HOOKS:
            setattr(cls, hook, getattr(dnf.Plugin, hook))
        cls.kept_out = True
    return sorted(str(cls.name) for cls in disabled)


def started(base: DnfBase) -> Set[type]:
    """Return the classes of the plugins that DNF has made in this run."""
    return {type(plugin) for plugin in base._plugins.plugins}


def late(names: Sequence[str], root: str, *, enabled: Iterable[str] = ()) -> Refused:
    """Return the error for plugins that were started before they could be kept out.

    ``enabled`` are the globs of --enableplugin, which DNF puts before --disableplugin.
    """
    one = len(names) == 1
    causes = [glob for glob in dict.fromkeys(enabled)
              if any(fnmatch.fnmatchcase(name.replace("_", "-"), glob.replace("_", "-"))
                     for name in names)]
    return Refused(
        f"dnf started the plugin{'' if one else 's'} {', '.join(names)} before node-plugin could"
        f" stop {'it' if one else 'them'}; {'it' if one else 'they'} may have changed files of"
        f" this machine and in {root}",
        hint="Run the command again " + (
            f"without --enableplugin={','.join(causes)}, and " if causes else "")
        + "with " + " ".join(f"--disableplugin={name}" for name in names) + ".")


def _matches(cls: DnfPluginClass, globs: Iterable[str]) -> bool:
    """Return whether a glob matches a plugin's name or its file's name; - and _ are the same."""
    names = {str(cls.name).replace("_", "-"),
             cls.__module__.rpartition(".")[2].replace("_", "-")}
    return any(fnmatch.fnmatchcase(name, glob.replace("_", "-"))
               for name in names for glob in globs)


class _Parser(dnf.cli.option_parser.OptionParser):
    """DNF's parser of command lines; it raises ValueError instead of ending the program."""

    def error(self, msg: str) -> NoReturn:
        raise ValueError(msg)
