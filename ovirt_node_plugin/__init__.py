"""Node plugins: installed into a root, recorded, verified, and taken out again."""
from __future__ import annotations

__version__ = "0.1.0"
