"""Requests to DNF 5's actions plugin and its replies, over a pair of pipes.

libdnf5-actions(8), "Messages in "json" communication mode": a request is a line of JSON on
standard output, its reply one on standard input.
"""
from __future__ import annotations

import json
from dataclasses import dataclass
from typing import Dict, List, Mapping, TextIO

from ..errors import NodePluginError
from ..system.json_data import Data, object_of, objects_of, text_of


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
        """Return options by name: of DNF, or by a glob ``REPOID.OPTION`` of repositories."""
        reply = self._get("conf", {"key": key})
        return {text_of(pair, "key"): text_of(pair, "value")
                for pair in objects_of(reply, "keys_val")}

    def set_option(self, key: str, value: str) -> None:
        """Set an option of DNF, or of a repository."""
        self._request("set", "conf", {"key": key, "value": value})

    def variable(self, name: str) -> str:
        """Return a variable that ``set_variable`` set earlier in this run, empty without it."""
        variables = objects_of(self._get("actions_vars", {"name": name}), "actions_vars")
        return text_of(variables[0], "value") if variables else ""

    def set_variable(self, name: str, value: str) -> None:
        """Set a variable that lives as long as this run of DNF."""
        self._request("set", "actions_vars", {"name": name, "value": value})

    def transaction(self) -> List[Item]:
        """Return the items of the solved transaction; only after the solve."""
        rows = self._get("trans_packages", {"output": [*_ATTRIBUTES, "action"]})
        return [Item(_package(row), text_of(row, "action"))
                for row in objects_of(rows, "trans_packages")]

    def installed(self) -> List[Dnf5Package]:
        """Return the packages that are installed in the root."""
        rows = self._get("packages", {
            "output": _ATTRIBUTES, "filters": [{"key": "installed"}],
            "params": [{"key": "IGNORE_EXCLUDES"}]})
        return [_package(row) for row in objects_of(rows, "packages")]

    def stop(self, message: str) -> None:
        """Make DNF end with ``message``; no request may follow."""
        self._write({"op": "stop", "args": {"message": message}})

    def _get(self, domain: str, arguments: Mapping[str, object]) -> Data:
        return object_of(self._request("get", domain, arguments), "return")

    def _request(self, operation: str, domain: str, arguments: Mapping[str, object]) -> Data:
        """Send a request; return its reply. Raises NodePluginError for a failure."""
        self._write({"op": operation, "domain": domain, "args": arguments})
        line = self._replies.readline()
        if not line:
            raise NodePluginError("DNF 5's actions plugin gave no reply")
        reply: Data = json.loads(line)
        if reply["status"] != "OK":
            raise NodePluginError(f"DNF 5's actions plugin does not {operation} {domain}"
                                  f" {json.dumps(arguments)}: {reply.get('message', '')}")
        return reply

    def _write(self, request: Mapping[str, object]) -> None:
        print(json.dumps(request), file=self._requests, flush=True)


_ATTRIBUTES = ["name", "evr", "nevra", "repo_id"]


def _package(row: Data) -> Dnf5Package:
    return Dnf5Package(name=text_of(row, "name"), evr=text_of(row, "evr"),
                       nevra=text_of(row, "nevra"), repo=text_of(row, "repo_id"))
