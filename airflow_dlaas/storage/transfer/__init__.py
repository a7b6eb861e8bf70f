"""Transfers of many files: planned first, then carried out in parallel, resumable and verified."""
