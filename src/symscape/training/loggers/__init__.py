"""TensorBoard and Weights & Biases: the only room that knows them."""
