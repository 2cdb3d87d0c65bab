"""`python -m counterform.cli`, as `counterform`."""

from counterform.cli import main

main()
