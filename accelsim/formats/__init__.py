"""What a number may be: one file a format, a spelling for each, and one lossy verb, `quantize`."""
