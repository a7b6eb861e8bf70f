"""`ObjectStore` over Google Cloud Storage."""
