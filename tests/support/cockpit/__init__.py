"""The page in Cockpit as tests use it: a host with a bridge, cockpit-ws, and Chromium."""
from __future__ import annotations

from .chromium import browser
from .hosts import Host, booted_host, host
from .tab import Page, page

__all__ = ["Host", "Page", "booted_host", "browser", "host", "page"]
