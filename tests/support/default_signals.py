"""Programs that tests start get the default action of every signal, whoever started the tests."""
from __future__ import annotations

import signal

# nohup(1) and shells ignore some of them for what they start in the background. Programs inherit
# that.
_IGNORED = (signal.SIGHUP, signal.SIGINT, signal.SIGQUIT, signal.SIGTERM)


def handle_ignored() -> None:
    """Replace the ignoring of signals by a handler that does nothing; no program inherits that."""
    for number in _IGNORED:
        if signal.getsignal(number) == signal.SIG_IGN:
            signal.signal(number, lambda *_: None)
