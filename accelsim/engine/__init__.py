"""What is computed: a plain reference interpreter, float operators, and fast integer kernels equal to the reference."""
