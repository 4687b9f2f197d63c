"""What the scripts share that stand for the owner of a box with a browser."""

import html
import http.client
import re
import ssl
import sys
import time
import urllib.parse

PASSWORD = "four quiet geese walking"
# What is waited for comes within this time, also on a machine that does much else.
PATIENCE = 90


def expect(condition, what):
    """Fails with these words unless it is so."""
    if not condition:
        sys.exit(f"not so: {what}")


def until(what, condition, tell=lambda: "", patience=PATIENCE):
    """Asks until the answer is true, and returns it; fails with these words, and what there is to tell."""
    deadline = time.monotonic() + patience
    while not (found := condition()):
        if time.monotonic() > deadline:
            sys.exit(f"not within {patience} s: {what}\n{tell()}")
    return found


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


def claim(address, code):
    """The browser of the one who sets the box up with the code from its console, with an account for Anna."""
    browser = Browser(address)
    until("the pages answer", browser.answers)
    browser.send("/setup", code=code)
    browser.send("/setup/password", password=PASSWORD, again=PASSWORD)
    browser.send("/setup/domain", domain="home.internal")
    browser.send("/setup/people", **{"name-1": "Anna", "local-1": "anna", "device-1": "Phone"})
    return browser
