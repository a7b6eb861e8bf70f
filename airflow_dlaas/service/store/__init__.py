"""
The store: the service's database of experiments, trainings and leases, and the archives of code.

It is the only place where API and dispatcher exchange information, besides the job directories. It stores records with
guarantees (atomic, durable, under leases). It never decides what runs next, and never starts a process.
"""
