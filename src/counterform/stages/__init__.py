"""What each stage of a study does, one file per stage; pipeline.py has their order."""
