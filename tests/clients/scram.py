"""Logs in by SCRAM-SHA-256 (RFC 5802, RFC 7677) with an app password, to IMAP, POP3 and submission."""

import base64
import hashlib
import hmac
import imaplib
import os
import poplib
import smtplib

from roost_client import HOST, PASSWORD, TLS, USER, port, refused, same


def digest(key, text):
    return hmac.new(key, text, hashlib.sha256).digest()


class Scram:
    """The client's side of one exchange."""

    def __init__(self, user, password):
        self.password = password
        self.bare = f"n={user},r={base64.b64encode(os.urandom(18)).decode()}"
        self.signature = None

    def first(self):
        return ("n,," + self.bare).encode()

    def final(self, challenge):
        fields = dict(field.split("=", 1) for field in challenge.decode().split(","))
        assert fields["r"].startswith(self.bare.split("r=")[1]), "the nonce is not ours"
        salted = hashlib.pbkdf2_hmac("sha256", self.password.encode(), base64.b64decode(fields["s"]), int(fields["i"]))
        final = f"c={base64.b64encode(b'n,,').decode()},r={fields['r']}"
        text = f"{self.bare},{challenge.decode()},{final}".encode()
        key = digest(salted, b"Client Key")
        proof = bytes(a ^ b for a, b in zip(key, digest(hashlib.sha256(key).digest(), text)))
        self.signature = base64.b64encode(digest(digest(salted, b"Server Key"), text)).decode()
        return f"{final},p={base64.b64encode(proof).decode()}".encode()

    def answers(self):
        """The responses to the challenges, one after another."""
        challenge = yield self.first()
        challenge = yield self.final(challenge)
        same(challenge.decode(), f"v={self.signature}", "the server's signature")
        yield b""


def step(answers):
    """A callback for the libraries: answers each challenge in its turn."""
    next_answer = None

    def respond(challenge=None):
        nonlocal next_answer
        if next_answer is None:
            next_answer = answers
            return next(answers)
        return answers.send(bytes(challenge))

    return respond


box = imaplib.IMAP4_SSL(HOST, port("imaps"), ssl_context=TLS)
assert "AUTH=SCRAM-SHA-256" in box.capabilities, box.capabilities
same(box.authenticate("SCRAM-SHA-256", step(Scram(USER, PASSWORD).answers()))[0], "OK", "IMAP")
box.logout()

box = imaplib.IMAP4_SSL(HOST, port("imaps"), ssl_context=TLS)
assert "AUTHENTICATIONFAILED" in refused(box.authenticate, "SCRAM-SHA-256", step(Scram(USER, "wrong").answers()))
box.logout()

smtp = smtplib.SMTP_SSL(HOST, port("submissions"), context=TLS)
smtp.ehlo("client.example")
respond = step(Scram(USER, PASSWORD).answers())
code, answer = smtp.docmd("AUTH", "SCRAM-SHA-256 " + base64.b64encode(respond()).decode())
while code == 334:
    code, answer = smtp.docmd(base64.b64encode(respond(base64.b64decode(answer))).decode())
same(code, 235, f"submission {answer}")
smtp.quit()

pop = poplib.POP3_SSL(HOST, port("pop3s"), context=TLS)
respond = step(Scram(USER, PASSWORD).answers())
answer = pop._shortcmd("AUTH SCRAM-SHA-256 " + base64.b64encode(respond()).decode())
while not answer.startswith(b"+OK"):
    answer = pop._shortcmd(base64.b64encode(respond(base64.b64decode(answer[2:]))).decode())
pop.stat()
pop.quit()
print("logged in")
