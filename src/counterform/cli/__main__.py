"""`python -m counterform.cli`, as `counterform`."""

from counterform.cli import main

if __name__ == "__main__":
    main()
