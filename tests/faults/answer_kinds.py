"""Runs of ``annotate`` whose faces are written freely: by the model here, or by a server."""

import json

from bench import environment
from faces_chat import FacesChat
from kinds import LINES, SMALL, Annotate
from loopback_chat import MODEL

PROMPT = ("--prompt", "generate-v1-short")


class Generate(Annotate):
    """The packaged model writes; it is small, so half of what it writes fails the checks."""

    name = "annotate-generate"
    title = "annotate --strategy generate"
    least_parts = 1

    def command(self, folder, number):
        options = ("--limit", self.items, "--seed", 3, "--workers", 1, "--out", "run")
        draws = ("--setting", "retries=0", "--setting", "transcript_tokens=96")
        corpus = ("--corpus", "text=lines.txt", "--strategy", "generate", *PROMPT)
        return ("annotate", *corpus, *draws, *options), self.settings(folder)

    def settings(self, folder):
        small = SMALL | {"countenance.generation.run_store": {"RECORDS_PER_PART": 1}}
        return environment(folder / "cache", FAULT_CONSTANTS=json.dumps(small))


class AskServer(Annotate):
    """A server writes; each try has its own, for which the long lines are too long."""

    name = "annotate-openai"
    title = "annotate --engine openai"

    def __init__(self, root):
        super().__init__(root, None, len(LINES))
        self.chats = {}

    def prepare(self, folder, number):
        (folder / "cache").mkdir()
        (folder / "lines.txt").write_text("\n".join(LINES), "utf-8")
        self.serve(folder)

    def serve(self, folder, port=0):
        self.chats[folder] = FacesChat(port)

    def command(self, folder, number, url=None, timeout=20):
        reach = ("--engine", "openai", "--base-url", url or self.chats[folder].url)
        limits = ("--request-timeout", timeout, "--request-retries", 1, "--concurrency", 2)
        options = ("--corpus", "text=lines.txt", "--model", MODEL, *PROMPT, "--out", "run")
        return ("annotate", *reach, *limits, *options), self.settings(folder)

    def compare(self, folder, number):
        self.chats.pop(folder).stop()
        return super().compare(folder, number)

    def undisturbed(self):
        whole = super().undisturbed()
        chat = self.chats.pop(self.root, None)
        if chat:
            chat.stop()
        return whole
