"""
Deep-learning training as a first-class citizen of Apache Airflow.

Two towers on one base. The *provider* (``hooks``, ``triggers``, ``operators``, ``sensors``)
is what a DAG author imports. The *service* (``service``, an extra) speaks the same REST API and really
trains. They never import each other and meet on the wire, in the words of ``contract``.

``contract``  what is said        ``client``   how it is said over HTTP
``storage``   where bytes lie     ``verdict``  what an ending means
``errors``    what can go wrong   ``cli``      the console script
"""

__version__ = "0.1.0"
