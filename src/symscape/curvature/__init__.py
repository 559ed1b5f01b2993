"""The Hessian of a plain network's loss: products, subspaces, eigenvalues, trace, sharpness."""
