"""What the five papers claim, and whether it holds on the embedded digits: CLAIMS.md.

A claim is one or several steps "this is better than that", each a paired comparison over the ten tasks on which
nothing was tuned and up to three seeds. A step holds where the mean difference is above 0 and the sign-flip test of
its pairs (tfuda/studies/significance.py) gives p < 0.05, is contradicted where the mean is below 0 with such a p, and
is unclear else; a claim holds where all of its steps do, and does not where one of them is contradicted.

The digits are no Office-Home: networks of 0.2 million weights from random weights, ten classes. What does not hold
here may hold there; what is claimed of any network and any task should hold here too.
"""
