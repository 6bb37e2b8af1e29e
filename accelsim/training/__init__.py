"""How the shipped generators and feature networks are made. The only package that trains."""
