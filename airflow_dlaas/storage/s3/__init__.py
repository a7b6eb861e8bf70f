"""`ObjectStore` over S3."""
