"""Cases compiled into matched training sets."""
