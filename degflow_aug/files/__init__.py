"""Files in and out: whole or not at all, never run as code."""
