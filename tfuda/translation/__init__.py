"""Translate pictures of one domain to the style of another: CycleGAN, its training, and the pairs it writes."""
