"""The configuration of the service: settings, users, certificates, addresses, and the data directory."""
