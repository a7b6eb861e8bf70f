"""
Where trainings run.

A runner starts, looks at and stops learners, and nothing else: it never reads the store and never decides
what runs next. Each runner stands alone; what two of them share belongs in `base`.
"""
