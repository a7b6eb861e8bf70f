"""
Runners start, poll and stop learners.

They never read the store and never decide what runs next. Runners do not import each other; what two of them share
belongs in `base`.
"""
