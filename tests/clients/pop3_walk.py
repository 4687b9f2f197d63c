"""Walks through poplib's API, over TLS and over STLS. Expects three messages in the maildrop."""

import poplib

from roost_client import HOST, PASSWORD, TLS, USER, port, refused, same


def login():
    drop = poplib.POP3_SSL(HOST, port("pop3s"), context=TLS)
    drop.user(USER)
    drop.pass_(PASSWORD)
    return drop


plain = poplib.POP3(HOST, port("pop3"))
assert "STLS" in plain.capa() and "USER" not in plain.capa(), plain.capa()
refused(plain.user, USER)
plain.stls(context=TLS)
assert "STLS" not in plain.capa() and "USER" in plain.capa(), plain.capa()
plain.user(USER)
assert "[AUTH]" in refused(plain.pass_, "wrong")
plain.user(USER)
plain.pass_(PASSWORD)
plain.quit()

drop = login()
assert drop.getwelcome().startswith(b"+OK")
count, size = drop.stat()
same(count, 3, "STAT")
listing = [line.split() for line in drop.list()[1]]
same(sum(int(octets) for _, octets in listing), size, "LIST")
for number, octets in listing:
    lines = drop.retr(int(number))[1]
    same(sum(len(line) + 2 for line in lines), int(octets), f"RETR {number}")
    top = drop.top(int(number), 0)[1]
    same(top, lines[: len(top)], f"TOP {number}")
    assert top[-1] == b"", top
names = [line.split()[1] for line in drop.uidl()[1]]
same(len(set(names)), 3, "UIDL")
same(drop.uidl(2).split()[2], names[1], "UIDL 2")
refused(drop.retr, 4)
drop.dele(2)
refused(drop.retr, 2)
drop.rset()
drop.dele(1)
drop.noop()
drop.quit()

again = login()
same([line.split()[1] for line in again.uidl()[1]], names[1:], "UIDL after DELE")
again.quit()
print("walked")
