"""Graph -> graph, and graph -> quantized program. Each pass is one exact rewriting or one named loss."""
