"""
Google Cloud Storage as an object store, over its JSON API: tokens, requests, retries, errors. It plans no transfers of
many files.

google-auth serves for the tokens of service accounts. `airflow_dlaas.storage.http` carries all requests, because of the
guarantees of `ObjectStore`: content verified by its MD5, reads that resume, redirects that are refused.

``store``            the methods of `ObjectStore`: each checks its names and runs one operation in the session
``account``          what is about buckets and names; ``object_requests``  listings and deletions
``session``          adds the token, renews it, retries, and translates errors, for every request
``auth``             the access token, one for all threads; ``token_transport``  the requests for it
``object_upload``    one attempt to store an object, verified; ``object_download``  one attempt to fetch it
``parts_upload``     an object of several parts: temporary objects that the store composes
``part_names``       the names of those parts, without I/O; ``crc32c``  the checksum of joined parts, without I/O
``targets``          paths and queries of requests, without I/O
``responses``        parses responses, without I/O; ``errors``  what failed responses mean
``batch``            deletions of many objects in one request, without I/O
"""
