"""Links from a task's page to where more is shown."""
