"""Hold the regularisers, (batch, outputs) -> a term that any method can add to its own."""
