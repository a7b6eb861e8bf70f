"""
What the service remembers.

API and dispatcher meet here and nowhere else. This room keeps facts and guarantees (atomic, durable, under
leases); it decides nothing about what runs next and it never starts anything.
"""
