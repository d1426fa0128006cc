"""``python -m fitloom_endpoint``."""

from fitloom_endpoint.cli import main

if __name__ == "__main__":
    main()
