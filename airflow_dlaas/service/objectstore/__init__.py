"""
The embedded object store: the real OpenStack Swift, with one replica, which the service starts without root.

`embedded` is the interface: it starts the store in a process of its own, checks it by a real request, and stops it. All
other modules run in that process (``python -m airflow_dlaas.service.objectstore``), because Swift's servers replace
parts of the standard library when they start. Both sides use `swift_config`, which contains values and text only.

Reading and writing objects does not belong here. The service is a client of this store like any other, through
`airflow_dlaas.storage`. A site with a Swift of its own does not use this package.
"""
