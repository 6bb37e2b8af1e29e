"""What the machine is: YAML files of plain data, checked and typed."""
