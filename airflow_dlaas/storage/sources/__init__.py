"""Files to upload: their locations, their names, and whether they changed. Nothing here sends them."""
