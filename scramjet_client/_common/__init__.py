"""What every room may use: each module here imports nothing of the others."""
