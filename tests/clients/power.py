"""The owner of a new box switches it off from its page.

power.py BOX CODE   where BOX is its address and CODE its setup code.
"""

import sys
import urllib.parse

from owner import claim, expect

BOX, CODE = sys.argv[1:]
anna = claim(BOX, CODE)
expect("/power" in anna.get("/status"), "the status page leads there")
anna.get("/power")
status, _, text = anna.ask("POST", "/power/off", urllib.parse.urlencode({"token": anna.token}))
expect(status == 200 and "switches itself off" in text, f"the box switches itself off: {status}: {text}")
