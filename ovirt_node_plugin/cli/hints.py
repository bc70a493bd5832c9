"""Hints of ``dnf node-plugin``, reworded for those who run ``ovirt-node-plugin``."""
from __future__ import annotations

import re

_INTERRUPTED = ("The image was made while plugins were being changed. Use the image from before"
                " that change.")
_KEY = "Add --trust-keys if the bundle contains the right key."
# In this order; each replaces one hint, or a part of it
_REWORDED = (
    (r"dnf node-plugin list(?: --\w+)? shows", "ovirt-node-plugin inspect {image} shows"),
    (r"[Rr]un(?: |: )dnf node-plugin verify.*?undoes (?:that|the) (?:change|rest)[^.]*\.",
     _INTERRUPTED),
    (r"If you trust this root, add --recover.*", _INTERRUPTED),
    (r"With the version that wrote it, run dnf node-plugin verify;.*", _INTERRUPTED),
    (r"To go back, run dnf node-plugin remove (\S+) first\.",
     r"To go back, merge with --remove \1 first, and install the other version into the result."),
    (r"; or leave -y out and answer the question\.", "."),
    (r",? or import the right key with rpmkeys[^.]*(?:\.\S+)*?FILE\.", f". {_KEY}"),
    (r", or import it: [^;]*$", "."),
    (r"Undoing that change would lose them\..*dnf node-plugin verify\.", _INTERRUPTED),
    (r"Make room or enlarge the filesystem, then try again\.",
     "Free some space on the disk of --work-dir, or choose another one. --size enlarges a"
     " filesystem in the image."),
    (r"dnf node-plugin verify", "ovirt-node-plugin verify {image}"),
    (r", or keep the files as they are with --keep-modified", ""),
    (r"dnf node-plugin install", "ovirt-node-plugin merge"),
    (r" --installroot=\S+", ""),
)


def for_image(hint: str, *, image: str) -> str:
    """Return a ``hint`` of dnf node-plugin with what helps with ``image``."""
    for pattern, text in _REWORDED:
        hint = re.sub(pattern, text.replace("{image}", image.replace("\\", r"\\")), hint,
                      flags=re.DOTALL)
    return hint
