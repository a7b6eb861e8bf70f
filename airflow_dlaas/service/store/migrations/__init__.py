"""
Upgrades of a database of an earlier version: scripts of Alembic, which run when the store is opened.

A released script is never edited; each later change is a new file in ``versions``.
"""
