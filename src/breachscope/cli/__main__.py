"""``python -m breachscope.cli``."""

from breachscope.cli import main

if __name__ == "__main__":
    main()
