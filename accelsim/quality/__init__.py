"""How good the images are: against the float generator on the same latents, and against real images."""
