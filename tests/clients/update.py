"""The owner of a new box has it fetch an update from an address.

update.py BOX CODE URL   where BOX is its address and CODE its setup code. Prints nothing if the box says that the update is installed.
"""

import html
import sys

from owner import claim, expect, until

BOX, CODE, URL = sys.argv[1:]
anna = claim(BOX, CODE)

# A mistake costs nothing and is told.
anna.send("/update/fetch", page="/update", address=URL + ".missing")
until("the page says what is wrong", lambda: "has no such file (404)" in anna.get("/update"))

anna.send("/update/fetch", page="/update", address=URL)
said = until("the update is there", lambda: (text := anna.get("/update/progress")) and "have come" not in text and "being asked" not in text and text)
expect("is installed" in said, html.unescape(said))
