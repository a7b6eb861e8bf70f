"""
How a database of any earlier version becomes today's: Alembic's scripts, run when the store is opened.

A revision that was once released is never edited; what changes later is a new file in ``versions``.
"""
