"""
Faults on the way to a real object store.

`Troublemaker` is an HTTP proxy between a client and the store; `faults` has the faults that it can apply to a request.
The store is real, so a test can read what a fault leaves in it.

Code of this package does not belong here: the proxy handles HTTP and Swift's v1 login, and never imports the code under
test.
"""

from tests.troublemaker.faults import (
    CorruptReply,
    CorruptRequest,
    ExpireTokens,
    Fault,
    LoseReply,
    ResetReply,
    ResetRequest,
    SendReply,
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
    "Seen",
    "SendReply",
    "Silence",
    "Slow",
    "StallReply",
    "StallRequest",
    "Troublemaker",
    "Truncate",
]
