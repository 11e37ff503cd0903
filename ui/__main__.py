"""``python -m ui`` starts the dashboard; what follows it goes to ``streamlit run app.py``."""

from __future__ import annotations

import sys

from streamlit.runtime.pages_manager import PagesManager
from streamlit.web import cli

if __name__ == "__main__":
    # Streamlit takes a folder named pages for its old kind of app until app.py has run once, and would tell the first
    # visitor who follows a link to any page but the lab that there is no such page.
    PagesManager.uses_pages_directory = False
    cli.main(["run", "app.py", *sys.argv[1:]])
