"""Test the five papers' claims on the emoji: docs/claims.md.

A claim is one or several steps "this row is better than that row". The rows of a step are trained alike but for what
the claim is about. A step is judged over tasks, as seeds of one task are alike. Each task gives the mean difference
in target accuracy at the end of training over its seeds. The test is the sign-flip test over tasks
(tfuda/studies/significance.py).

A step holds where the mean difference is above 0 with p < 0.05. A claim holds where all of its steps do. A claim of k
steps does not hold where the mean difference of one step is below 0 with k p < 0.05. Where so many tasks would show
the printed gap in fewer than four of five experiments, by their spread, the page says how many tasks are needed.

Emoji are no Office-Home: the network does not learn but for a bottleneck and a head, unless a setting says otherwise.
"""
