"""What this computer does: rates, bandwidths and the time of layers, as a machine file with sources."""
