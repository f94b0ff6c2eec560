"""FluxSR, and the pairs it is trained on."""
