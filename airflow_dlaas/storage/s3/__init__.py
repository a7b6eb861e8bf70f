"""
S3 as an object store: addresses, signatures, requests, retries, errors. It plans no transfers of many files.

No library of AWS sends the requests: none of them has all the guarantees of `ObjectStore`.

``store``            the methods of `ObjectStore` that transfer content; ``account``  the others
``parts_upload``     uploads an object in parts, and resumes; ``server_copy``  copies inside the store
``object_upload``    one attempt to store an object, verified; ``object_download``  one attempt to fetch it
``object_layout``    reads the sizes of the parts of an object
``session``          signs, sends and retries every request, and translates errors
``addressing``       where requests go: endpoint, region, bucket; ``signing``  their signatures
``requests``         the requests of S3's operations; ``responses``  parses the responses
``errors``           what failed responses mean
"""
