"""The generator's networks: residual autoencoder and NCSN++."""
