"""The page as a Hugging Face Space: `python app.py` serves it on port 7860."""

from countenance.viewer.page import open_page
from countenance.viewer.web import PageServer

if __name__ == "__main__":
    # A Space must listen on all addresses; its own proxy stands in front.
    PageServer(open_page(), port=7860, host="0.0.0.0").run()  # noqa: S104
