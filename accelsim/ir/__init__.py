"""What the network is: operators, graphs, quantized programs, their text and their files."""
