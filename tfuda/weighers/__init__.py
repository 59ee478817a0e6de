"""Hold the weighers, outputs -> outputs, which weigh the features that the alignment sees."""
