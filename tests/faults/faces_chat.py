"""A chat server whose answers tell the items apart, and which breaks for good where it is told to.

python tests/faults/faces_chat.py LINE    # prints its port; gets SIGKILL when asked about LINE
"""

import os
import signal
import sys
import threading
import zlib
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parent.parent / "generation"))  # this folder is no package

from loopback_chat import LoopbackChat

LONGEST_TEXT = 200  # bytes; of more it says that they do not fit its context
FACES = (
    (["joy"], "Cheeks rise and the lip corners pull up in a warm smile.", ["AU6C", "AU12D"]),
    (["anger"], "The brows draw down and the lips press together hard.", ["AU4D", "AU24C"]),
    (["sadness"], "The inner brows rise and the lip corners sink.", ["AU1C", "AU15C"]),
    (["surprise"], "The brows shoot up and the jaw drops open.", ["AU1D", "AU2D", "AU26C"]),
)


class FacesChat(LoopbackChat):
    """Answers a text with the same sound face every time, whatever the seed and the order."""

    def __init__(self, port=0):
        super().__init__(port)
        self.server.handle_error = lambda *_: None  # a killed client hangs up on it
        self.breaks = None

    def answer(self, text):
        emotions, description, units = FACES[zlib.crc32(text.encode()) % len(FACES)]
        return {"e": emotions, "d": description, "au": units}

    def break_at(self, text, fault):
        """From the first question about ``text`` on every answer has the fault."""
        self.breaks = text, fault

    def next_fault(self, text):
        if self.breaks and self.breaks[0] == text:
            self.everywhere = self.breaks[1]
        fault = super().next_fault(text)
        return "too_long" if fault is None and len(text.encode()) > LONGEST_TEXT else fault

    def heal(self):
        """From now on all is sound; what hangs is let go."""
        self.released.set()
        self.released = threading.Event()
        self.plans, self.breaks, self.everywhere = {}, None, None


class Mortal(FacesChat):
    """Its process ends when it is asked about a line."""

    last = ""

    def next_fault(self, text):
        if text == self.last:
            os.kill(os.getpid(), signal.SIGKILL)
        return super().next_fault(text)


if __name__ == "__main__":
    Mortal.last = sys.argv[1]
    print(Mortal().port, flush=True)
    threading.Event().wait()
