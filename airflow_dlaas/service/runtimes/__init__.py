"""
What really runs when a definition names a framework and a version.

The catalogue turns the name into a `RuntimeSpec`, and `provide` turns that into places for ``PATH``: an environment
that uv makes once, a prepared one, a prefix, a container. Nothing here knows of jobs, stores or the API; nothing
here rounds a version to something near.
"""
