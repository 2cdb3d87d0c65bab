"""Text read and written: steps, answers, markers of doubt, orders of search, wordings, rationales, shifts."""
