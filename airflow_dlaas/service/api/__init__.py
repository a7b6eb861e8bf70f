"""
The page's REST API, path for path and word for word.

A request is read, judged against what the store, the catalogue and the object stores say, and put into the store;
nothing here starts, stops or watches a training, and nothing here knows who does. Errors become answers in
`problems` and nowhere else.
"""
