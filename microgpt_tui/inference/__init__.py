"""Pictures of inference: functions from what is `Seen` and so many cells to a picture."""
