"""FlowSR, both stages."""
