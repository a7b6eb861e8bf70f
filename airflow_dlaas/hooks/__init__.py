"""
What an Airflow connection means, and the one door from Airflow to ``client`` and ``storage``.

A hook turns a connection into something that can act. It holds no policy: what is retried is decided in
``client.exchange``, what an ending means in ``verdict``. Libraries are imported where they are used, not at the
top: DAG files import this room at every parse.
"""
