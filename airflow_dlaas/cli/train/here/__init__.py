"""
`train --here`: the learner of the service runs a training in this machine, without a service and an object store.

`job` decides what the learner gets, `runtime` provides the runtime, `follow` shows the job's files as they grow, and
`run` puts the steps in order. Nothing here imports a client, an object store or a database, so that it starts quickly.
"""

from __future__ import annotations
