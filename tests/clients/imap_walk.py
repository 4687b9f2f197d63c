"""Walks through imaplib's API, over TLS and over STARTTLS."""

import imaplib
import time

from roost_client import HOST, PASSWORD, TLS, USER, port, refused, same

MESSAGE = b"From: ann@example.org\r\nSubject: walk\r\nMessage-ID: <walk@example.org>\r\n\r\nthe text\r\n"


def ok(answer, what):
    kind, data = answer
    same(kind, "OK", f"{what} {data}")
    return data


def login():
    box = imaplib.IMAP4_SSL(HOST, port("imaps"), ssl_context=TLS)
    ok(box.login(USER, PASSWORD), "LOGIN")
    return box


def starttls():
    box = imaplib.IMAP4(HOST, port("imap"))
    assert "LOGINDISABLED" in box.capabilities, box.capabilities
    refused(box.login, USER, PASSWORD)
    ok(box.starttls(ssl_context=TLS), "STARTTLS")
    assert "LOGINDISABLED" not in box.capabilities, box.capabilities
    ok(box.authenticate("PLAIN", lambda _: f"\0{USER}\0{PASSWORD}".encode()), "AUTHENTICATE")
    ok(box.noop(), "NOOP")
    same(box.logout()[0], "BYE", "LOGOUT")


def mailboxes(box):
    ok(box.create("walk/deep/folder"), "CREATE")
    names = b"\n".join(ok(box.list('""', "walk*"), "LIST"))
    for name in (b"walk", b"walk/deep", b"walk/deep/folder"):
        assert name in names, names
    ok(box.subscribe("walk/deep"), "SUBSCRIBE")
    assert b"walk/deep" in ok(box.lsub('""', "walk/deep"), "LSUB")[0]
    ok(box.unsubscribe("walk/deep"), "UNSUBSCRIBE")
    ok(box.rename("walk/deep", "walk/high"), "RENAME")
    same(box.create("INBOX")[0], "NO", "CREATE INBOX")
    ok(box.delete("walk/high/folder"), "DELETE")
    same(box.select("walk/high/folder")[0], "NO", "SELECT of what was deleted")
    ok(box.namespace(), "NAMESPACE")


def append_and_fetch(box):
    when = imaplib.Time2Internaldate(1_700_000_000)
    for flags in (r"(\Seen)", r"(\Flagged $Forwarded)", None):
        data = ok(box.append("walk", flags, when, MESSAGE), "APPEND")
        assert b"APPENDUID" in data[0], data
    same(ok(box.select("walk"), "SELECT"), [b"3"], "EXISTS")
    data = ok(box.fetch("1:*", "(UID FLAGS INTERNALDATE RFC822.SIZE BODY.PEEK[])"), "FETCH")
    bodies = [part[1] for part in data if isinstance(part, tuple)]
    same(bodies, [MESSAGE] * 3, "BODY[]")
    assert all(f"RFC822.SIZE {len(MESSAGE)}".encode() in part[0] for part in data if isinstance(part, tuple)), data
    same(imaplib.Internaldate2tuple(data[0][0]), time.localtime(1_700_000_000), "INTERNALDATE")
    assert set(imaplib.ParseFlags(data[2][0])) >= {rb"\Flagged", b"$Forwarded"}, data[2]
    envelope = ok(box.fetch("1", "(ENVELOPE BODYSTRUCTURE)"), "FETCH")[0]
    assert b'"walk"' in envelope and b'"text" "plain"' in envelope.lower(), envelope


def search_and_store(box):
    same(ok(box.search(None, "SUBJECT", "WALK", "UNSEEN"), "SEARCH"), [b"2 3"], "SEARCH")
    same(ok(box.uid("SEARCH", "KEYWORD", "$Forwarded"), "UID SEARCH"), [b"2"], "UID SEARCH")
    same(ok(box.search("UTF-8", "TEXT", '"nothing here"'), "SEARCH"), [b""], "empty SEARCH")
    ok(box.store("3", "+FLAGS", r"(\Deleted)"), "STORE")
    ok(box.uid("STORE", "1", "-FLAGS.SILENT", r"(\Seen)"), "UID STORE")
    same(ok(box.search(None, "UNSEEN"), "SEARCH"), [b"1 2 3"], "SEARCH")
    refused(box.store, "9", "+FLAGS", r"(\Seen)")


def copy_move_expunge(box):
    assert b"COPYUID" in ok(box.copy("1", "Archive"), "COPY")[0]
    ok(box.uid("MOVE", "2", "Archive"), "UID MOVE")
    same(ok(box.expunge(), "EXPUNGE"), [b"2", b"2"], "EXPUNGE by MOVE, and by itself")
    same(ok(box.status("Archive", "(MESSAGES UNSEEN)"), "STATUS")[0].split(b"(")[1], b"MESSAGES 2 UNSEEN 2)", "STATUS")
    same(box.copy("1", "not-there")[0], "NO", "COPY to nowhere")
    ok(box.unselect(), "UNSELECT")
    ok(box.select("Archive", readonly=True), "EXAMINE")
    ok(box.close(), "CLOSE")


def idle(box):
    """imaplib has no IDLE yet: by hand, with a second connection that changes something."""
    ok(box.select("Drafts"), "SELECT")
    box.send(b"X1 IDLE\r\n")
    assert box.readline().startswith(b"+ "), "no continuation"
    other = login()
    ok(other.append("Drafts", None, None, MESSAGE), "APPEND")
    assert box.readline().startswith(b"* 1 EXISTS"), "no EXISTS"
    line = box.readline()
    while not line.startswith(b"X1 "):
        if b"RECENT" in line:
            box.send(b"DONE\r\n")
        line = box.readline()
    assert line.startswith(b"X1 OK"), line
    other.logout()


starttls()
connection = login()
mailboxes(connection)
append_and_fetch(connection)
search_and_store(connection)
copy_move_expunge(connection)
idle(connection)
same(connection.logout()[0], "BYE", "LOGOUT")
print("walked")
