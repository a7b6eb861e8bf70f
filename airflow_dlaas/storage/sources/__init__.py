"""Files to upload: where they are, what they are named, and whether they changed. It sends nothing."""
