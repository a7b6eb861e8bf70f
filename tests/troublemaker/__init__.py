"""
Trouble on the way to a real object store.

`Troublemaker` is an HTTP proxy to put between a client and the store; `faults` are what it may do to a request.
Behind it everything is real, so what a fault leaves behind in the store can be looked at afterwards.

What does not belong here: anything of ours. The proxy knows HTTP and Swift's v1 login, never the code under test.
"""

from tests.troublemaker.faults import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    Say,
    Silence,
    Slow,
    StallReply,
    StallRequest,
    Truncate,
)
from tests.troublemaker.ledger import Seen
from tests.troublemaker.proxy import Troublemaker

__all__ = [
    "CorruptReply",
    "CorruptRequest",
    "ExpireTokens",
    "Fault",
    "LoseReply",
    "ResetReply",
    "ResetRequest",
    "Say",
    "Seen",
    "Silence",
    "Slow",
    "StallReply",
    "StallRequest",
    "Troublemaker",
    "Truncate",
]
