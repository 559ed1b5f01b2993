"""Group convolutions on Lie groups of the plane: on a fixed grid, plain convolutions."""
