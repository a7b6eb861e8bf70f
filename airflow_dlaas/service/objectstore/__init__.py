"""
The embedded object store: the real OpenStack Swift, one replica, started by the service without root.

``embedded`` is the door: it starts the store in a process of its own, asks it a real question and stops it.
Everything else here runs in that process (``python -m airflow_dlaas.service.objectstore``), because Swift's servers
replace parts of the standard library when they start. ``layout`` is shared and holds values and text only.

What does not belong here: reading or writing objects. The service is this store's client like any other, through
``airflow_dlaas.storage``; a site with a Swift of its own never comes into this room.
"""
