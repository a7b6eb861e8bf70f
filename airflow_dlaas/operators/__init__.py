"""
One operator for each step of the page.

``experiment``: package the code, create the experiment. ``data``: bring training data into the object store, out
of it again, delete it. ``training``: submit a definition, wait for it, cancel it, clean up. ``model``: fetch what came
out.

Between tasks only references travel: ids and URLs, never a path of one machine. Modules here import nothing that
`airflow.sdk` has not loaded; what they use is imported when a task runs.
"""
