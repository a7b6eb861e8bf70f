"""
The dispatcher: decides which trainings run next, and records how they end.

`decide` returns the actions, without I/O; `loop` performs them; `observe` reads job directories and polls the runner;
`gpu_inventory` knows the GPU slots. There is no HTTP here, and no call of the API: the two meet in the store. How a
learner is started is the runner's task, and what it does is the learner's.
"""
