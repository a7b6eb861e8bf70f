"""
Which results of trainings are deleted by rule, and their deletion. It deletes no record of a training and no data.

``rules``   the rules that a caller gives, checked; no I/O
``decide``  which results stay and which go, with the reason for each; no I/O
``prune``   asks the service and the object store, and deletes
``delete``  deletes the results of one training
"""
