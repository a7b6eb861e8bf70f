"""
Runtimes: what runs if a definition names a framework and a version.

The catalogue resolves the name to a `RuntimeSpec`, and `provision_runtime` provides it as directories for ``PATH``: an
environment that uv makes once, an environment of the site, a prefix, or a container. This package knows neither jobs
nor stores nor the API. It never replaces a version by a similar one.
"""
