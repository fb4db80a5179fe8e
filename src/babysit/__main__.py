"""`python -m babysit`."""

from babysit.cli import main

if __name__ == "__main__":
    main()
