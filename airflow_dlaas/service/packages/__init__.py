"""
Packages that the code of a training requires: an environment of its own on top of the runtime.

`requested_packages` reads what a bundle requires, `ensure_packages` resolves it once into a lock and makes the
environment of that lock once, and `virtual_env` makes small environments that see the packages of another one. This
package runs in the learner, on the machine of the command; it knows neither jobs nor stores nor the API. No code of a
package runs here, outside of the sandbox: with isolation, only wheels are installed.
"""
