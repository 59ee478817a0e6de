"""Export a trained network to files for serving, and predict from them."""
