"""
The command `doctor`: checks what a training needs, and names the way out of each problem.

`checks` has the results as values, `service_checks`, `store_checks` and `machine_checks` do the checks, one function
each. A check changes nothing that it does not remove again.
"""

from __future__ import annotations
