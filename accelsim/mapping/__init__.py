"""How a layer is scheduled on a hierarchy of memories, and exactly how many words that moves."""
