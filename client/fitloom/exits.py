"""The exit statuses of the ``fitloom`` command besides 0, as the contract gives them."""

UNUSABLE = 2
"""Bad usage or unusable input; nothing was run."""
SOME_FAILED = 3
"""A campaign finished and some of its points failed; each is a record."""
INTERRUPTED = 130
"""What was fitted is kept."""
