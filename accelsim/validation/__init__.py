"""Published results against ours: targets are data, with citation, allowance and what was fitted on what."""
