"""Backup of a data directory and its database in one tar file, and the restore from it."""
