"""The learned camera: autoencoder and flow behind the interface of a degradation."""
