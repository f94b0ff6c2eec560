"""FluxSR: its model, its losses, and the pairs it is trained on."""
