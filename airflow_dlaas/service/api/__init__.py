"""
The REST API of the service, with the paths and keys of the documentation of 2017.

A route parses the request, checks it against the store, the catalogue and the object stores, and changes the store.
The API neither starts, stops nor polls a training, and it does not import the component that does (the dispatcher).
`error_responses` is the only module that turns errors into responses.
"""
