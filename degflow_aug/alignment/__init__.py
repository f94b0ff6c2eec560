"""Photographs of one scene at several focal lengths, brought to one grid; NumPy, SciPy and OpenCV only."""
