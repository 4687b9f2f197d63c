"""What the scripts beside this file share: where the server is, and who logs in. The tests set the variables."""

import os
import ssl

HOST = "localhost"
USER = os.environ["ROOST_USER"]
PASSWORD = os.environ["ROOST_PASSWORD"]
CA = os.environ["ROOST_CA"]


def port(name):
    """The port of a protocol, such as imaps."""
    return int(os.environ["ROOST_PORT_" + name.upper()])


# One context for all connections: building one reads every certificate of the system again.
TLS = ssl.create_default_context(cafile=CA)


def same(got, expected, what):
    """Fails with both values unless they are equal."""
    if got != expected:
        raise SystemExit(f"{what}: expected {expected!r}, got {got!r}")


def refused(action, *arguments):
    """Fails unless the call raises the library's own error; returns its text."""
    import imaplib
    import poplib
    import smtplib

    try:
        action(*arguments)
    except (imaplib.IMAP4.error, poplib.error_proto, smtplib.SMTPException) as error:
        return str(error)
    raise SystemExit(f"{action.__name__}{arguments} was not refused")
