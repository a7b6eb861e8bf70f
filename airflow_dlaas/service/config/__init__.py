"""What an operator of the service configures: settings, users, certificates, networks, the data directory."""
