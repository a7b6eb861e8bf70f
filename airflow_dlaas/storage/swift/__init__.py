"""
OpenStack Swift as an object store: authentication, requests, retries, errors. It plans no transfers of many files.

swiftclient serves for authentication (v1), listings, HEAD requests, manifests to read, copies and deletions.
`http_pool` carries the content of objects, because swiftclient's own commands need ten times the processor time.

``store``            the methods of `ObjectStore`: each checks its names and runs one operation in the session
``account``          those of them that move no content
``segments_upload``  a large object: its segments, then their manifest; ``segmented_copy``  a copy of one
``segment_cleanup``  deletes the segments of replaced and deleted objects; ``segment_names``  their names, without I/O
``session``          renews the token, retries, and translates errors, for every request
``auth``             logs in to Swift (v1) or Keystone (v3)
``object_upload``    one attempt to store an object, verified; ``object_download``  one attempt to fetch it
``object_layout``    reads the segments of an object
``http_pool``        the connections for content; ``swiftclient_pool``  those of swiftclient
``connection_route``  how to connect: proxy, TLS; ``http_options``  timeouts and trusted certificates
``responses``        parses responses, without I/O; ``errors``  what failed responses mean
"""
