"""One helper for each generic job. It knows nothing of trainings: a helper imports no other package of ours."""
