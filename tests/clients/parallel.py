"""Twenty-four connections of one user at once, as Apple's programs open them: all work, all see the same."""

import imaplib
import threading

from roost_client import HOST, PASSWORD, TLS, USER, port, same

CONNECTIONS = 24
EACH = 5
start = threading.Barrier(CONNECTIONS)
done = threading.Barrier(CONNECTIONS)
faults = []


def one(number):
    try:
        box = imaplib.IMAP4_SSL(HOST, port("imaps"), ssl_context=TLS, timeout=60)
        same(box.login(USER, PASSWORD)[0], "OK", "LOGIN")
        same(box.select()[0], "OK", "SELECT")
        start.wait(60)
        for n in range(EACH):
            message = f"Subject: {number} {n}\r\n\r\ntext\r\n".encode()
            same(box.append("INBOX", None, None, message)[0], "OK", "APPEND")
            same(box.uid("STORE", "1:*", "+FLAGS.SILENT", f"(from{number})")[0], "OK", "STORE")
        done.wait(60)
        box.noop()
        kind, data = box.uid("SEARCH", "ALL")
        same(len(data[0].split()), CONNECTIONS * EACH, "messages seen")
        for n in range(EACH):
            same(len(box.uid("SEARCH", "SUBJECT", f'"{number} {n}"')[1][0].split()) >= 1, True, "our own message")
        box.logout()
    except BaseException as error:  # noqa: BLE001 - a thread's fault must reach the main thread
        faults.append(f"{number}: {error!r}")
        start.abort()
        done.abort()


threads = [threading.Thread(target=one, args=(n,)) for n in range(CONNECTIONS)]
for thread in threads:
    thread.start()
for thread in threads:
    thread.join()
same(faults, [], "faults")
print("all saw the same")
