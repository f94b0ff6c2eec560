"""Commands and readers under kills, full disks and damaged files."""
