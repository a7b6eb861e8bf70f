"""
What runs next, and what came of it.

`decide` names the steps, without I/O; `loop` takes them; `inventory` knows which GPU slots there are. No HTTP here, and
no word with the API: the two meet in the store. How a learner is started is a runner's business, what it does the
learner's own.
"""
