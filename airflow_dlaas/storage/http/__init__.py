"""
HTTP for object stores of every kind: connections that stay open, by the environment's proxies and certificates.

``pool``              sends requests, and the content of objects; no other module does
``connection_route``  how to connect: proxy, TLS
``content_download``  writes the content of responses to a file or in parts, verified
``http_options``      timeouts and trusted certificates
``errors``            responses of failed requests, and missing responses, as errors
"""
