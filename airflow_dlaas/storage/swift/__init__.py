"""OpenStack Swift as an object store: authentication, requests, errors. It plans no transfers."""
