"""The log files of DNF are not opened again while scriptlets run."""
from __future__ import annotations

import logging
import logging.handlers
import os
from pathlib import Path

import pytest

from ovirt_node_plugin.packages import logs

pytestmark = [pytest.mark.root]


@pytest.mark.parametrize("name", ["dnf", "dnf.rpm", "librepo"])
def test_a_log_is_rotated_only_afterwards(tmp_path: Path, name: str) -> None:
    handler = logging.handlers.RotatingFileHandler(
        tmp_path / "log", maxBytes=10, backupCount=1, encoding="utf-8")
    logger = logging.getLogger(name)
    logger.addHandler(handler)
    try:
        with logs.not_rotated():
            for _ in range(3):
                logger.critical("a long line")
            (tmp_path / "log").rename(tmp_path / "moved")
            logger.critical("the last line")
            assert os.listdir(tmp_path) == ["moved"]
            assert "the last line" in (tmp_path / "moved").read_text()
        logger.critical("after")
        assert "after" in (tmp_path / "log").read_text()
    finally:
        logger.removeHandler(handler)
        handler.close()
