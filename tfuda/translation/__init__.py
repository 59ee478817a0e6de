"""Pictures of one domain in the style of another: CycleGAN, its training, and what it writes."""
