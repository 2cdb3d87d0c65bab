"""Published claims: the rules that decide them, and the studies that were kept for them."""
