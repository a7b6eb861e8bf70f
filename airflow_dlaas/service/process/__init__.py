"""What the operating system provides: ports to listen at, and the table of processes."""
