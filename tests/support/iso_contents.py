"""The contents and boot records of ISOs, read by programs that are not this project's."""
from __future__ import annotations

import hashlib
import re
from pathlib import Path
from typing import Dict, List

from ovirt_node_plugin.system.run import run


def xorriso(iso: Path, *words: str) -> str:
    """Run xorriso on an ISO and return its output."""
    return run(["xorriso", "-no_rc", "-report_about", "WARNING", "-indev", f"stdio:{iso}", *words])


def extract_iso(iso: Path, into: Path) -> Path:
    """Copy all files of an ISO into the new folder ``into`` and return it."""
    xorriso(iso, "-osirrox", "on", "-extract", "/", str(into))
    run(["chmod", "-R", "u+w", into])
    return into


def file_digests(folder: Path) -> Dict[str, str]:
    """Return the SHA-256 of every file below ``folder`` by its relative path."""
    return {path.relative_to(folder).as_posix(): hashlib.sha256(path.read_bytes()).hexdigest()
            for path in sorted(folder.rglob("*")) if path.is_file()}


def boot_records(iso: Path) -> List[str]:
    """Return the boot records of an ISO without block addresses and sizes."""
    report = xorriso(iso, "-report_el_torito", "plain", "-report_system_area", "plain")
    records = []
    for line in report.splitlines():
        if line.startswith("El Torito boot img"):
            records.append(" ".join(line.split()[:11]))
        elif line.startswith(("El Torito img path", "System area summary")):
            records.append(line)
    return records


def volume_id(iso: Path) -> str:
    """Return the volume id of an ISO."""
    match = re.search(r"^Volume Id\s*:\s(.*)$", xorriso(iso, "-pvd_info"), re.MULTILINE)
    assert match is not None
    return match.group(1).strip()


def superblock(squashfs: Path) -> List[str]:
    """Return the format options of a squashfs, without sizes and times."""
    lines = [line.strip() for line in run(["unsquashfs", "-s", squashfs]).splitlines()]
    return [line for line in lines if line.startswith((
        "Compression", "compression-level", "Dictionary", "Filters", "Block size", "Inodes are",
        "Data is", "Fragments are", "Always-use", "Xattrs are", "Duplicates", "Filesystem is"))]


def fat_text(image: Path, name: str) -> str:
    """Return the text of a file in a FAT image."""
    return run(["mtype", "-i", image, f"::{name}"])
