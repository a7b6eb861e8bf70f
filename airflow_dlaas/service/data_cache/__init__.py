"""
The cache of training data on the machine of the jobs: one copy of each object, shared by all trainings.

A learner calls `cache.DataCache`. The cache decides neither what a training reads nor where it is: it receives planned
downloads and a folder. It never lists a container, and knows nothing of jobs but the folders that it puts files into.
"""
