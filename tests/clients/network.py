"""The owner of a box changes its network from the pages, from the other end of the cable, and confirms it, or does not.

network.py BOX...   where BOX is the command that runs a command inside the box. Prints nothing if all is well.
"""

import re
import subprocess
import sys

import owner
from owner import Browser, PASSWORD, claim, expect

BOX = sys.argv[1:]
LEASED, FIXED = "10.9.8.50", "10.9.8.7"


def box(script, **more):
    return subprocess.run([*BOX, "/bin/sh", "-c", script], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **more).stdout


def until(what, condition):
    return owner.until(what, condition, lambda: box("ip addr; ip route; cat /run/resolv.conf; cat /tmp/keeper /tmp/daemon"))


def log_in(address):
    """A browser at an address where there is no session yet."""
    browser = Browser(address)
    until(f"the pages answer at {address}", browser.answers)
    expect(browser.send("/login", password=PASSWORD) == "/", "the same password logs in")
    return browser


def waiting(browser):
    """The page after the change was made."""
    return until("the change was made", lambda: (text := browser.get("/network")) and "Keep it" in text and text)


def fix(browser):
    browser.send("/network", host="nest", cable="fixed", address=f"{FIXED}/24", gateway="10.9.8.1", names="10.9.8.1 10.9.8.2")


def is_fixed():
    addresses, routes = box("ip -4 addr show dev eth0"), box("ip route")
    return f"{FIXED}/24" in addresses and LEASED not in addresses and "default via 10.9.8.1" in routes


def power_cut():
    """Ends every process of the box at once; what is in RAM is gone, what was flushed is there."""
    box("kill -9 $(cat /run/*.pid /run/network/*.pid) 2>/dev/null; rm -rf /run/* /tmp/*; hostname unset; ip -4 addr flush dev eth0; ip link set eth0 down")


def start():
    """As init does it."""
    box("/etc/init.d/S40network start </dev/null")
    box("ip link set lo up; echo 0 >/proc/sys/net/ipv4/ip_unprivileged_port_start")
    box("setpriv --reuid=$DAEMON --regid=$DAEMON --clear-groups --nnp roost serve --data /data/roost >/tmp/daemon 2>&1 & echo $! >/run/daemon.pid")
    box("roost keep --data /data/roost --confirm-within 20 >/tmp/keeper 2>&1 & echo $! >/run/keeper.pid")
    until("the keeper listens", lambda: "yes" in box("[ ! -S /run/roost-network.sock ] || echo yes"))


def main():
    start()
    code = until("the daemon is ready", lambda: re.search(r"Setup code:\s+(\S+)", box("cat /tmp/daemon")))
    anna = claim(LEASED, code[1])
    expect("The router gives one" in anna.get("/network") and LEASED in anna.get("/network"), "the page tells how it is")

    # Nobody confirms: the box has the new address for a while, then it is back by itself.
    fix(anna)
    expect(f"https://{FIXED}/network" in anna.get("/network"), "the page tells the new address before the change")
    stranger = Browser(FIXED)
    until("the box has its new address", stranger.answers)
    until("the box went back", anna.answers)
    until("the page says so", lambda: "taken back" in anna.get("/network"))
    expect(not is_fixed() and box("hostname").strip() == "roost", "everything is as it was")
    expect("yes" not in box("[ ! -e /data/network ] || echo yes"), "nothing was written down")

    # Confirmed at the new address, with the same login.
    fix(anna)
    moved = log_in(FIXED)
    waiting(moved)
    expect(moved.send("/network/confirm", page="/network") == "/network", "confirmed")
    expect(f'value="{FIXED}/24"' in moved.get("/network"), "the page shows what is kept")
    expect(is_fixed() and box("hostname").strip() == "nest", "the address stays")
    expect(box("cat /run/resolv.conf") == "nameserver 10.9.8.1\nnameserver 10.9.8.2\n", "the name servers are the chosen ones")

    # Over a power cut.
    power_cut()
    start()
    expect(is_fixed() and box("hostname").strip() == "nest", "it comes up with what was confirmed")

    # In the middle of a trial the power fails: it comes up with what was confirmed, not with what was tried.
    moved = log_in(FIXED)
    moved.send("/network", host="nest", cable="automatic")
    until("the box asks for an address", lambda: LEASED in box("ip -4 addr show dev eth0"))
    power_cut()
    start()
    expect(is_fixed(), "it comes up with what was confirmed")

    # A keeper that ends in the middle of a trial leaves it to the next one.
    moved = log_in(FIXED)
    moved.send("/network", host="nest", cable="automatic")
    until("the box asks for an address", lambda: LEASED in box("ip -4 addr show dev eth0"))
    box("kill -9 $(cat /run/keeper.pid)")
    box("roost keep --data /data/roost --confirm-within 20 >/tmp/keeper 2>&1 & echo $! >/run/keeper.pid")
    until("the next keeper goes back", is_fixed)

    # And back to automatic, at once.
    moved = log_in(FIXED)
    moved.send("/network", host="nest", cable="automatic")
    back = log_in(LEASED)
    waiting(back)
    back.send("/network/back", page="/network")
    until("the box goes back when it is told", is_fixed)


main()
