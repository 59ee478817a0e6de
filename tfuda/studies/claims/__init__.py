"""Test the five papers' claims on the embedded digits: docs/claims.md.

A claim is one or several steps "this is better than that". Each step is a paired comparison over the ten tasks on
which nothing was tuned and up to three seeds. The test is the sign-flip test (tfuda/studies/significance.py).

A step holds where the mean difference is above 0 with p < 0.05. A step is contradicted where the mean is below 0 with
such a p, and is unclear else. A claim holds where all of its steps do, and does not where a step is contradicted.

The digits are no Office-Home: networks of 0.2 million weights from random weights, ten classes. What does not hold
here may hold there; what is claimed of any network and any task should hold here too.
"""
