"""
Faults on the way to a real object store.

`FaultProxy` is an HTTP proxy between a client and the store; `faults` has the faults that it can apply to a request.
The store is real, so a test can read what a fault leaves in it.

Code of this package does not belong here: the proxy handles HTTP and Swift's v1 login, and never imports the code under
test. Requests of S3 and Google Cloud Storage pass without a change, so that their signatures stay valid.
"""

from tests.fault_proxy.faults import (
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
from tests.fault_proxy.ledger import Seen
from tests.fault_proxy.proxy import FaultProxy

__all__ = [
    "CorruptReply",
    "CorruptRequest",
    "ExpireTokens",
    "Fault",
    "FaultProxy",
    "LoseReply",
    "ResetReply",
    "ResetRequest",
    "Seen",
    "SendReply",
    "Silence",
    "Slow",
    "StallReply",
    "StallRequest",
    "Truncate",
]
