"""The service as a process of the operating system: ports, signals, supervision of its components."""
