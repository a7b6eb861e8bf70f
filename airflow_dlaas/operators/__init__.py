"""
Operators, one for each step of a training.

- ``experiment``: package the code, create an experiment, delete it.
- ``data``: upload, download and delete training data in the object store.
- ``training``: submit a definition, wait for the training, cancel and delete it.
- ``model``: fetch the results of a training.

Tasks exchange ids and addresses only, never a path of one machine. Modules of this package import nothing that
`airflow.sdk` has not loaded; an operator imports what it needs when its task runs.
"""
