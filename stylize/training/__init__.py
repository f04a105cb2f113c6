"""Makes the weights of the mini model. Nothing outside it and ``stylize.evaluation`` imports it."""
