"""What a mapped program costs: energy, latency, resources."""
