"""
The words both towers speak, in the page's own key names.

Pydantic models and enums, nothing else: no I/O, no Airflow, no HTTP, no defaults that belong to one side.
"The page" is the 2017 documentation of the deep-learning REST API v3; what it does not say and we added
is called *ours* in the docstrings.
"""
