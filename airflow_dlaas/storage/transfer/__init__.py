"""Transfers of many files: planned from one listing, then carried out in parallel, resumable and verified."""
