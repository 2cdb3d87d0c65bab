"""Rules drafted out of a policy's text, and proven before they are believed."""
