"""
The documents of the REST API, as provider and service use them, with the key names of the documentation of 2017.

Pydantic models and enums, without I/O, Airflow, HTTP or defaults of one side. The "API
of 2017" is the deep-learning REST API v3 as its documentation of that year describes it; "clients of 2017" are programs
of that time, which differ from the documentation in places; an extension is an addition of this project.
"""
