"""
Trainings of deep-learning models as Airflow tasks, and a service that runs them.

The *provider* (``operators``, ``sensors``, ``triggers``, ``hooks`` and the packages below them) is the part that DAG
authors import. The *service* (``service``, an extra) serves the same REST API and runs the trainings. They never import
each other; both use the documents of ``contract``.

===================  ==========================================================================
``exceptions``       the exceptions, as one tree
``contract``         the documents of the REST API
``client``           the HTTP client of a service
``storage``          object stores and transfers
``packaging``        the zip of training code
``task_runs``        the training of a task: submit, attach, wait, cancel
``integrations``     MLflow, TensorBoard, Airflow's metrics
``plugin``           the pages in Airflow's UI
``cli``, ``demo``    the console script and its demo
===================  ==========================================================================

Public API: ``operators``, ``sensors``, ``hooks``, ``assets``, ``exceptions`` and ``contract``. This module imports no
other.
"""

__version__ = "0.1.0"
