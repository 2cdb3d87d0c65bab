"""What each stage of a study does, a file a stage; pipeline.py has their order."""
