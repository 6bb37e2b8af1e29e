"""Many runs: the space of points, their content keys, the result file, execution and the Pareto front."""
