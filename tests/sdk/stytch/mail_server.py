"""A mail server for tests: on loopback, it takes everything, and keeps the text of each mail as `<folder>/<address>/<number>.txt`."""
import email
import email.policy
import os
import pathlib
import socketserver
import threading

GREETING = ("250-localhost", "250-8BITMIME", "250 SMTPUTF8")


class Session(socketserver.StreamRequestHandler):
    def say(self, *lines):
        self.wfile.write("".join(f"{line}\r\n" for line in lines).encode())

    def handle(self):
        to = []
        self.say("220 localhost")
        for line in self.rfile:
            words = line.decode("ascii", "replace").strip()
            match words[:4].upper():
                case "EHLO" | "HELO":
                    self.say(*GREETING)
                case "RCPT":
                    to.append(words[words.index("<") + 1 : words.index(">")])
                    self.say("250 yes")
                case "DATA":
                    self.say("354 go on, end with a dot")
                    mail = self.data()
                    for address in to:
                        self.server.keep(address, mail)
                    to = []
                    self.say("250 kept")
                case "RSET":
                    to = []
                    self.say("250 yes")
                case "QUIT":
                    self.say("221 bye")
                    return
                case "MAIL" | "NOOP":
                    self.say("250 yes")
                case _:
                    self.say("502 what is that?")

    def data(self):
        """Until the lonely dot; the dots that protect lines are taken off."""
        lines = []
        for line in self.rfile:
            if line == b".\r\n":
                break
            lines.append(line.removeprefix(b"."))
        return b"".join(lines)


class Mailbox(socketserver.ThreadingTCPServer):
    """`with Mailbox(folder) as mailbox:` serves `mailbox.port` until the end."""

    daemon_threads = True

    def __init__(self, folder):
        super().__init__(("127.0.0.1", 0), Session)
        self.folder, self.port, self.lock = pathlib.Path(folder), self.server_address[1], threading.Lock()

    def __enter__(self):
        threading.Thread(target=self.serve_forever, kwargs={"poll_interval": 0.05}, daemon=True).start()
        return self

    def __exit__(self, *_):
        self.shutdown()
        self.server_close()

    def keep(self, address, mail):
        text = email.message_from_bytes(mail, policy=email.policy.default).get_body(("plain",)).get_content()
        with self.lock:
            theirs = self.folder / address
            theirs.mkdir(parents=True, exist_ok=True)
            number = len(list(theirs.glob("*.txt"))) + 1
            # Readers see whole mails only.
            (theirs / "coming").write_text(text)
            os.rename(theirs / "coming", theirs / f"{number}.txt")
