"""The embedded world: the program that made the tiny base model, and the model itself (`base/`)."""
