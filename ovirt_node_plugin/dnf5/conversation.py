"""Requests to DNF 5's actions plugin and its replies, over a pair of pipes.

libdnf5-actions(8), "Messages in "json" communication mode": a request is a line of JSON on
standard output, its reply one on standard input.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Any, Dict, List, TextIO

from ..errors import NodePluginError


@dataclass(frozen=True)
class Dnf5Package:
    """A package; ``nevra`` is without an epoch of 0, ``evr`` as DNF 5 writes it."""

    name: str
    evr: str
    nevra: str
    repo: str

    def __str__(self) -> str:
        return self.nevra


@dataclass(frozen=True)
class Item:
    """One package of a transaction: ``action`` is a letter of libdnf5-actions(8).

    I, U, D and R are packages that arrive; E (removed) and O (replaced) leave.
    """

    package: Dnf5Package
    action: str

    @property
    def arrives(self) -> bool:
        """Return whether the package comes into the root."""
        return self.action in ("I", "U", "D", "R")

    @property
    def leaves(self) -> bool:
        """Return whether the package goes out of the root."""
        return self.action in ("E", "O")


class Conversation:
    """The two pipes to the actions plugin of a run of DNF 5."""

    def __init__(self, requests: TextIO, replies: TextIO) -> None:
        self._requests = requests
        self._replies = replies

    def options(self, key: str) -> Dict[str, str]:
        """Return options by name: of DNF, or as ``REPOID.OPTION`` of repositories, by glob."""
        return {pair["key"]: pair["value"]
                for pair in self._ask("get", "conf", {"key": key})["keys_val"]}

    def set_option(self, key: str, value: str) -> None:
        """Set an option of DNF, or of a repository."""
        self._ask("set", "conf", {"key": key, "value": value})

    def variable(self, name: str) -> str:
        """Return a variable that ``set_variable`` set earlier in this run, empty without it."""
        found = self._ask("get", "actions_vars", {"name": name})["actions_vars"]
        return str(found[0]["value"]) if found else ""

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable that lives as long as this run of DNF."""
        self._ask("set", "actions_vars", {"name": name, "value": value})

    def transaction(self) -> List[Item]:
        """Return what the solved transaction does; only after the solve."""
        rows = self._ask("get", "trans_packages", {"output": [*_ATTRIBUTES, "action"]})
        return [Item(_package(row), row["action"]) for row in rows["trans_packages"]]

    def installed(self) -> List[Dnf5Package]:
        """Return the packages that are installed in the root."""
        rows = self._ask("get", "packages", {
            "output": _ATTRIBUTES, "filters": [{"key": "installed"}],
            "params": [{"key": "IGNORE_EXCLUDES"}]})
        return [_package(row) for row in rows["packages"]]

    def stop(self, message: str) -> None:
        """Have DNF end with ``message``; nothing may be asked after that."""
        self._write({"op": "stop", "args": {"message": message}})

    def _ask(self, operation: str, domain: str, arguments: Dict[str, Any]) -> Dict[str, Any]:
        self._write({"op": operation, "domain": domain, "args": arguments})
        line = self._replies.readline()
        if not line:
            raise NodePluginError("DNF 5's actions plugin gave no reply")
        reply = json.loads(line)
        if reply["status"] != "OK":
            raise NodePluginError(f"DNF 5's actions plugin does not {operation} {domain}"
                                  f" {json.dumps(arguments)}: {reply.get('message', '')}")
        found: Dict[str, Any] = reply["return"]
        return found

    def _write(self, request: Dict[str, Any]) -> None:
        print(json.dumps(request), file=self._requests, flush=True)


_ATTRIBUTES = ["name", "evr", "nevra", "repo_id"]


def _package(row: Dict[str, str]) -> Dnf5Package:
    return Dnf5Package(row["name"], row["evr"], row["nevra"], row["repo_id"])
