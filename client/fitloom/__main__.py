"""``python -m fitloom``."""

from fitloom.cli import main

if __name__ == "__main__":
    main()
