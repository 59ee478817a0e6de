"""Test the five papers' claims on the emoji: docs/claims.md.

A claim is one or several steps "this row is better than that row". The rows of a step are trained alike but for what
the claim is about. A step is judged over tasks, as seeds of one task are alike. Each task gives the mean difference
in target accuracy at the end of training over its seeds. The test is the sign-flip test over tasks
(tfuda/studies/significance.py).

A step holds where the mean difference is above 0 with p < 0.05. A step is contradicted where the mean is below 0 with
such a p. A claim holds where all of its steps do, and does not where a step is contradicted. Where the printed gap is
smaller than what so many tasks can show, by their spread, the page says how many tasks would be needed.

Emoji are no Office-Home: the network does not learn but for a bottleneck and a head, unless a setting says otherwise.
"""
