"""The camera without networks: linear kernel, pipeline, pseudo-views, and how they are estimated."""
