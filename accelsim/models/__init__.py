"""Generators, discriminators and feature networks as plain torch modules."""
