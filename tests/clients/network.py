"""The owner of a box changes its network from the pages, from the other end of the cable, and confirms it, or does not.

network.py BOX...   where BOX is the command that runs a command inside the box. Prints nothing if all is well.
"""

import html
import http.client
import re
import ssl
import subprocess
import sys
import time
import urllib.parse

BOX = sys.argv[1:]
PASSWORD = "four quiet geese walking"
LEASED, FIXED = "10.9.8.50", "10.9.8.7"
# What is waited for comes within this time, also on a machine that does much else.
PATIENCE = 90


def box(script, **more):
    return subprocess.run([*BOX, "/bin/sh", "-c", script], check=True, stdin=subprocess.DEVNULL, stdout=subprocess.PIPE, text=True, **more).stdout


def until(what, condition):
    deadline = time.monotonic() + PATIENCE
    while not (found := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"not within {PATIENCE} s: {what}\n" + box("ip addr; ip route; cat /run/resolv.conf; cat /tmp/keeper /tmp/daemon"))
    return found


def expect(condition, what):
    if not condition:
        sys.exit(f"not so: {what}")


class Browser:
    """One browser at one address: cookies, forms with their token, no checking of certificates."""

    def __init__(self, address):
        self.address, self.cookies, self.token = address, {}, ""

    def ask(self, method, path, body=None):
        context = ssl.create_default_context()
        context.check_hostname, context.verify_mode = False, ssl.CERT_NONE
        connection = http.client.HTTPSConnection(self.address, timeout=10, context=context)
        headers = {"Cookie": "; ".join(f"{name}={value}" for name, value in self.cookies.items()), "Connection": "close"}
        if body is not None:
            headers["Content-Type"] = "application/x-www-form-urlencoded"
        try:
            connection.request(method, path, body, headers)
            answer = connection.getresponse()
            text = answer.read().decode()
        finally:
            connection.close()
        for cookie in answer.msg.get_all("Set-Cookie") or []:
            name, value = cookie.split(";")[0].split("=", 1)
            self.cookies[name] = value
        if found := re.search(r'name="token" value="([^"]*)"', text):
            self.token = html.unescape(found[1])
        return answer.status, answer.headers.get("Location", ""), text

    def get(self, path):
        return self.ask("GET", path)[2]

    def send(self, path, page=None, **fields):
        self.get(page or path)
        status, location, text = self.ask("POST", path, urllib.parse.urlencode({"token": self.token, **fields}))
        expect(status == 303, f"{path} answers {status}: {text}")
        return location

    def answers(self):
        try:
            return self.ask("GET", "/health")[0] == 200
        except OSError:
            return False


def claim(code):
    browser = Browser(LEASED)
    until("the pages answer", browser.answers)
    browser.send("/setup", code=code)
    browser.send("/setup/password", password=PASSWORD, again=PASSWORD)
    browser.send("/setup/domain", domain="home.internal")
    browser.send("/setup/people", **{"name-1": "Anna", "local-1": "anna", "device-1": "Phone"})
    return browser


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
    owner = claim(code[1])
    expect("The router gives one" in owner.get("/network") and LEASED in owner.get("/network"), "the page tells how it is")

    # Nobody confirms: the box has the new address for a while, then it is back by itself.
    fix(owner)
    expect(f"https://{FIXED}/network" in owner.get("/network"), "the page tells the new address before the change")
    stranger = Browser(FIXED)
    until("the box has its new address", stranger.answers)
    until("the box went back", owner.answers)
    until("the page says so", lambda: "taken back" in owner.get("/network"))
    expect(not is_fixed() and box("hostname").strip() == "roost", "everything is as it was")
    expect("yes" not in box("[ ! -e /data/network ] || echo yes"), "nothing was written down")

    # Confirmed at the new address, with the same login.
    fix(owner)
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
