"""
Putting bytes where trainings can read them, and bringing them back.

Object stores and packages of code, for both towers. What a training, an experiment or a task is belongs elsewhere;
here are only names, bytes and checksums. Nothing is read from the environment, and no library's error leaves.

``objects``   what every store promises      ``plan``      what to send and fetch (no I/O)
``swift``     Swift, by ``asking`` it with ``access`` (who lets us in); ``faults`` says what its answers mean
``transfer``  carries plans out              ``patience``  how long to try (no I/O)
``bundle``    a folder of code as one zip: what of the ``folder``, which ``entries`` (no I/O), and ``magic`` (no I/O)
``reading``   files to be stored             ``placing``   files that appear complete or not at all
"""
