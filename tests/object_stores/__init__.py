"""
Object stores of every kind, as real servers on free ports, for the suites that promise the same of each.

`cases` names them; `servers` starts those that are not this package's own Swift. To test
another store, add a `StoreCase`.
"""
