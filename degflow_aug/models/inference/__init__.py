"""A trained network and a photograph of any size: found, loaded, passed through in parts that fit into memory."""
