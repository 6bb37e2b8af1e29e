"""The loops of the mapper as machine code; what they compute is defined beside the arrays that they take."""
