#!/usr/bin/env python3
"""Reads all mail out of a bare log, written from LOG-FORMAT.md alone: no part of Roost is needed.

    read-log.py LOG-DIR OUT-DIR      makes OUT-DIR/ACCOUNT/MAILBOX/UID.eml (a / in a mailbox's name becomes a folder)

What is damaged is named and left out; the exit status is then 1.

Compressed bodies need Python 3.14, the zstandard module or the zstd command.
"""
import base64, os, re, struct, subprocess, sys, tempfile


def crc32c(data, crc=0, table=[]):
    if not table:
        for n in range(256):
            for _ in range(8):
                n = n >> 1 ^ 0x82F63B78 if n & 1 else n >> 1
            table.append(n)
    crc ^= 0xFFFFFFFF
    for octet in data:
        crc = table[(crc ^ octet) & 255] ^ crc >> 8
    return crc ^ 0xFFFFFFFF


def unzstd(frame, dictionary, length):
    try:
        from compression import zstd
        return zstd.decompress(frame, zstd.ZstdDict(dictionary))
    except ImportError:
        pass
    try:
        import zstandard
        return zstandard.ZstdDecompressor(zstandard.ZstdCompressionDict(dictionary)).decompress(frame, length)
    except ImportError:
        pass
    with tempfile.NamedTemporaryFile() as f:
        f.write(dictionary)
        f.flush()
        return subprocess.run(["zstd", "-dc", "-D", f.name], input=frame, stdout=subprocess.PIPE, check=True).stdout


class Damaged(Exception):
    pass


class Fields:
    """The fields of a payload, in order."""
    def __init__(self, data):
        self.data, self.at = data, 0

    def octets(self, n):
        self.at += n
        return self.data[self.at - n:self.at]

    def octet(self):
        return self.octets(1)[0]

    def n(self):
        value = shift = 0
        while True:
            octet = self.octet()
            value |= (octet & 127) << shift
            shift += 7
            if octet < 128:
                return value

    def z(self):
        n = self.n()
        return n >> 1 ^ -(n & 1)

    def text(self):
        return self.octets(self.n()).decode()

    def each(self, read):
        return [read() for _ in range(self.n())]

    def maybe(self, read):
        return read() if self.octet() else None

    def pairs(self):
        return self.each(lambda: (self.n(), self.n()))

    def flags(self):
        return self.octet(), self.each(self.text)

    def place(self):
        return dict(at=(self.n(), self.n()), stored=self.n(), len=self.n(), line=self.octet(),
                    shared=self.maybe(lambda: (self.n(), self.octets(16))))

    def mailbox(self):
        return dict(id=self.n(), name=self.text(), validity=self.n(), role=self.maybe(self.n), subscribed=self.octet())


class Segment:
    def __init__(self, folder, name):
        with open(os.path.join(folder, name), "rb") as f:
            self.data = f.read()
        head = self.data[:4096]
        self.number, self.intact = int(name), False
        self.snapshot, self.dictionary, self.first = (0, 0, 0), (0, b""), 4096
        if len(head) == 4096 and head[:8] == b"ROOSTLOG" and crc32c(head[:24]) == struct.unpack_from("<I", head, 24)[0]:
            version, number, self.store = struct.unpack_from("<IIQ", head, 8)
            self.intact = version == 2 and number == self.number
        if self.intact and crc32c(head[28:56]) == struct.unpack_from("<I", head, 56)[0]:
            number, length, crc, *self.snapshot = struct.unpack_from("<IIIIIQ", head, 28)
            dictionary = self.data[4096:4096 + length]
            if crc32c(dictionary) == crc:
                self.dictionary = (number, dictionary)
            self.first = -(-(4096 + length) // 4096) * 4096


class Log:
    def __init__(self, folder):
        names = sorted(n for n in os.listdir(folder) if re.fullmatch(r"\d{10}", n))
        self.segments = {int(n): Segment(folder, n) for n in names}
        self.store = next(s.store for s in self.segments.values() if s.intact)

    def record(self, segment, at):
        """Number, durable, account, kind, payload and end of the record at a place, if there is one."""
        data = self.segments[segment].data
        if at + 32 > len(data):
            return None
        length, crc, number, durable, account, kind, _, tag = struct.unpack_from("<IIQQIBBH", data, at)
        if kind == 0 or length > 1 << 26 or at + 32 + length > len(data) or number == 0:
            return None
        seed = crc32c(struct.pack("<QI", self.store, segment))
        if crc32c(data[at:at + 4] + data[at + 8:at + 30], seed) & 0xFFFF != tag:
            return None
        payload = data[at + 32:at + 32 + length]
        if crc32c(data[at:at + 4] + bytes(4) + data[at + 8:at + 32] + payload, seed) != crc:
            return None
        return number, durable, account, kind, payload, -(-(at + 32 + length) // 8) * 8

    def records(self, segment, at, last):
        """All that counts after record `last`, in order."""
        todo = [n for n in sorted(self.segments) if n > segment]
        while True:
            if not any(self.segments[segment].data[at:at + 16]):
                at = -(-at // 4096) * 4096
            found, places, skipped = self.record(segment, at), [], None
            if not found or not self.continues(found, last):
                found = None
                for place in [(segment, at)] + [(n, self.segments[n].first) for n in todo]:
                    number, at = place
                    while at + 32 <= len(self.segments[number].data) and not found:
                        record = self.record(number, at)
                        if record and record[0] > last:
                            named = struct.unpack("<Q", record[4])[0] if record[3] == 1 else record[1]
                            if self.continues(record, last) or named > last:
                                damaged = not self.continues(record, last)
                                real = [p for p in places if not (record[3] == 1 and p[2][0] > named)] if damaged else []
                                number, at, found = real[0] if real else (number, at, record)
                                break
                            places.append((number, at, record))
                            at = record[5]
                        else:
                            at += 8
                    if found:
                        break
                if not found:
                    return
                segment, todo = number, [n for n in sorted(self.segments) if n > number]
            yield segment, at, found
            last, at = found[0], found[5]

    @staticmethod
    def continues(record, last):
        return struct.unpack("<Q", record[4])[0] == last if record[3] == 1 else record[0] == last + 1

    def inflate(self, segment, coding, length, data):
        if coding == 0:
            return data
        known = dict(s.dictionary for s in [*self.segments.values(), self.segments[segment]])
        if coding not in known:
            raise Damaged(f"dictionary {coding} is lost")
        return unzstd(data, known[coding], length)

    def part(self, place):
        segment, at = place
        record = segment in self.segments and self.record(segment, at)
        if not record or record[3] != 2:
            raise Damaged(f"segment {segment}, octet {at}: no intact PART")
        message, position, coding, length = struct.unpack_from("<QQII", record[4])
        return self.inflate(segment, coding, length, record[4][24:])


class Mail:
    """What the log amounts to."""
    def __init__(self):
        self.boxes, self.messages, self.bodies, self.shared = {}, {}, {}, {}

    def apply(self, account, kind, f):
        if kind == 21:
            [f.n() for _ in range(4)], f.text(), f.text(), f.z()
            f.each(lambda: (f.text(), f.text(), f.n(), f.n(), f.z(), f.text()))
        if kind == 3 or kind == 21 and f.at < len(f.data):
            message, size, places = f.n(), f.n(), f.each(f.place)
            self.bodies[message] = places
            for mailbox, uid, *_ in f.each(lambda: (f.n(), f.n(), f.n(), f.flags(), f.z(), f.z())):
                self.messages[mailbox, uid] = message
        elif kind in (5, 6):
            self.copy(f, kind == 6)
        elif kind == 7:
            mailbox = (f.n(), f.n())[0]
            self.expunge(mailbox, f.pairs())
        elif kind in (8, 12):
            self.create(account, f)
        elif kind == 9:
            self.delete(f.n())
        elif kind == 10:
            for mailbox, name in f.each(lambda: (f.n(), f.text())):
                self.boxes[mailbox] = account, name
            self.create(account, f)
            f.maybe(lambda: self.copy(f, True))
        elif kind == 13:
            for mailbox in [m for m, (a, _) in self.boxes.items() if a == account]:
                self.delete(mailbox)
        elif kind == 17:
            for message, *place in f.each(lambda: (f.n(), (f.n(), f.n()), (f.n(), f.n()))):
                for p in self.bodies.get(message, []):
                    if p["at"] == place[0] and not p["shared"]:
                        p["at"] = place[1]
            self.shared.update(f.each(lambda: (f.n(), (f.n(), f.n()))))

    def create(self, account, f):
        for box in f.each(f.mailbox):
            self.boxes[box["id"]] = account, box["name"]

    def delete(self, mailbox):
        self.boxes.pop(mailbox, None)
        for key in [k for k in self.messages if k[0] == mailbox]:
            del self.messages[key]

    def expunge(self, mailbox, ranges):
        for first, last in ranges:
            for uid in range(first, last + 1):
                self.messages.pop((mailbox, uid), None)

    def copy(self, f, move):
        source, target, _, new, _, ranges = f.n(), f.n(), f.n(), f.n(), f.z(), f.pairs()
        for first, last in ranges:
            for uid in range(first, last + 1):
                if (source, uid) in self.messages:
                    self.messages[target, new] = self.messages[source, uid]
                new += 1
        if move:
            f.n()
            self.expunge(source, ranges)

    def rows(self, f):
        which = f.n()
        if which == 2:
            for box in f.each(lambda: (f.n(), f.n(), f.text(), f.n(), f.maybe(f.n), [f.n() for _ in range(7)])):
                self.boxes[box[0]] = box[1], box[2]
        elif which == 5:
            for row in f.each(lambda: (f.n(), f.n(), f.n(), f.octet(), f.z(), f.z(), f.n(), f.n(), [f.n() for _ in range(4)])):
                self.messages[row[0], row[1]] = row[7]
        elif which == 6:
            for message, _, _, places in f.each(lambda: (f.n(), f.n(), f.n(), f.each(f.place))):
                self.bodies[message] = places
        elif which == 7:
            for number, at, *_ in f.each(lambda: (f.n(), (f.n(), f.n()), f.n(), f.n(), f.octets(16))):
                self.shared[number] = at


def body(log, mail, message):
    out = b""
    if message not in mail.bodies:
        raise Damaged("nothing says where it is")
    for place in mail.bodies[message]:
        octets = log.part(mail.shared.get(place["shared"][0], place["at"]) if place["shared"] else place["at"])
        if place["line"]:
            text = base64.b64encode(octets)
            octets = b"".join(text[i:i + place["line"]] + b"\r\n" for i in range(0, len(text), place["line"]))
        out += octets
    return out


def main(folder, target):
    log, mail = Log(folder), Mail()
    newest = max(n for n, s in log.segments.items() if s.intact)
    segment, at, begin = log.segments[newest].snapshot
    start = (segment, at, begin - 1) if segment else (min(log.segments), log.segments[min(log.segments)].first, 0)
    if segment:
        for where, _, (_, _, _, kind, payload, _) in log.records(*start):
            f = Fields(payload)
            if kind == 15 and f.n() == begin:
                coding, length = f.n(), f.n()
                mail.rows(Fields(log.inflate(where, coding, length, f.octets(f.n()))))
            elif kind == 16 and f.n() == begin:
                break
    for _, _, (_, _, account, kind, payload, _) in log.records(*start):
        mail.apply(account, kind, Fields(payload))
    status = 0
    for (mailbox, uid), message in sorted(mail.messages.items()):
        account, name = mail.boxes.get(mailbox, (0, str(mailbox)))
        try:
            octets = body(log, mail, message)
        except Damaged as why:
            print(f"{account}/{name}/{uid}: {why}", file=sys.stderr)
            status = 1
            continue
        path = os.path.join(target, str(account), *[part.replace("..", "__") for part in name.split("/")], f"{uid}.eml")
        os.makedirs(os.path.dirname(path), exist_ok=True)
        with open(path, "wb") as f:
            f.write(octets)
    return status


sys.exit(main(*sys.argv[1:]))
