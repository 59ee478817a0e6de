"""Many runs: grids, searches, rounds, tables, claims."""
