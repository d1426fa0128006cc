"""How the documentation is built: Sphinx, MyST Markdown, the theme of pyhf's own pages."""

from __future__ import annotations

import os
from importlib.metadata import version as version_of

project = "fitloom"
author = "The fitloom developers"
copyright = f"2026, {author}"
release = version_of("fitloom")
version = release

extensions = [
    "myst_parser",
    "sphinx.ext.autodoc",
    "sphinx.ext.mathjax",
    "sphinx.ext.napoleon",
    "sphinx_copybutton",
    "sphinx_design",
]
exclude_patterns = ["_build"]

myst_enable_extensions = ["amsmath", "colon_fence", "deflist", "dollarmath", "fieldlist"]
myst_heading_anchors = 3

autodoc_member_order = "bysource"
autodoc_typehints = "description"
autodoc_typehints_description_target = "documented"
autodoc_preserve_defaults = True
napoleon_use_rtype = False
default_role = "py:obj"
"""Single backticks in docstrings name things of ours."""

html_theme = "pydata_sphinx_theme"
html_title = "fitloom"
html_static_path = ["_static"]
html_theme_options = {
    "navigation_with_keys": False,
    "show_toc_level": 2,
    "secondary_sidebar_items": ["page-toc"],
    "show_prev_next": False,
}
html_show_sourcelink = False
copybutton_prompt_text = r"\$ "
copybutton_prompt_is_regexp = True
# Nothing is fetched while building; a reader's browser gets MathJax from where Sphinx points it.
linkcheck_ignore = [r"http://127\.0\.0\.1.*", r"http://localhost.*"]
os.environ.setdefault("COLUMNS", "100")
