"""From outside to the layer IR: torch modules, stored graphs, workload files."""
