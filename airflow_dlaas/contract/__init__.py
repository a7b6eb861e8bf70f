"""
The documents of the REST API, as provider and service use them, with the key names of the page.

Pydantic models and enums, without I/O, Airflow, HTTP or defaults of one side. "The page" is the 2017 documentation of
the deep-learning REST API v3. In the docstrings, [page] marks a fact from there, [client] one from client programs of
that time, and *ours* an addition of this project.
"""
