"""Leave out tests whose library from PyPI is missing; tools/check installs it, tools/matrix not."""
from __future__ import annotations

import importlib.util

collect_ignore = [] if importlib.util.find_spec("hypothesis") else ["test_random.py"]
