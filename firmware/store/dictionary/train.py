#!/usr/bin/env python3
"""Makes the dictionary that bodies are compressed with: messages of the common kinds are put together from the phrases below
(our own words and the names that mail programs and standards use), then `zstd --train` looks for what they share.

    dictionary/train.py mail.zdict          needs the zstd command

The result is checked in. A new one is a new file with a new number: logs carry the one they were written with.
"""
import base64, os, random, subprocess, sys, tempfile

R = random.Random(20260101)
DOMAINS = ["gmail.com", "outlook.com", "yahoo.com", "icloud.com", "example.com", "example.org", "mail.example.net", "hotmail.com",
           "googlemail.com", "gmx.de", "web.de", "t-online.de", "orange.fr", "proton.me", "amazonses.com", "lists.example.org"]
NAMES = ["Anna Meyer", "John Smith", "Maria Garcia", "Customer Service", "Newsletter", "Support", "Peter Novak", "Li Wei", "Jane Doe", "No Reply"]
WORDS = """the and you your for with that this from are have will not can our all please has been would more was but about we new
mail message time thank thanks regards best hello dear kind sincerely information account order password security click here view online
browser unsubscribe privacy policy terms conditions contact us help rights reserved copyright delivery shipping invoice payment date number
address street city country phone meeting today tomorrow week month year question answer attached find document file report version update
free offer sale save price total customer service team company reply forward sent wrote subject know need think want see make take get use
work good great just also only some other which their there what when where who how any may should could do does did if or as at by on in
to of is it be an a I my me he she they them his her its der die das und ist nicht mit von für auf den dem ein eine Sie wir Ihre zum zur
bitte vielen Dank Grüße freundlichen le la les des et est pour dans vous nous votre merci cordialement bonjour""".split()
MAILERS = ["Mozilla Thunderbird", "Apple Mail (2.3774.600.62)", "Microsoft Outlook 16.0", "iPhone Mail (21F90)", "K-9 Mail for Android", "Mutt/2.2.9", "PHPMailer 6.9.1 (https://github.com/PHPMailer/PHPMailer)"]


def token(n, alphabet="ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789"):
    return "".join(R.choice(alphabet) for _ in range(n))


def day():
    return f"{R.choice(['Mon', 'Tue', 'Wed', 'Thu', 'Fri', 'Sat', 'Sun'])}, {R.randint(1, 28):02} {R.choice('Jan Feb Mar Apr May Jun Jul Aug Sep Oct Nov Dec'.split())} {R.randint(2019, 2026)} {R.randint(0, 23):02}:{R.randint(0, 59):02}:{R.randint(0, 59):02}"


def address():
    name = R.choice(NAMES)
    return f"{name} <{name.lower().replace(' ', '.')}@{R.choice(DOMAINS)}>"


def ip():
    return ".".join(str(R.randint(1, 254)) for _ in range(4))


def text(words):
    lines, line = [], []
    for _ in range(words):
        line.append(R.choice(WORDS))
        if sum(len(w) + 1 for w in line) > 66:
            lines.append(" ".join(line).capitalize())
            line = []
    return "\r\n".join(lines + [" ".join(line) + "."])


def b64(n, width=72):
    t = base64.b64encode(R.randbytes(n)).decode()
    return "\r\n        ".join(t[i:i + width] for i in range(0, len(t), width))


def headers(content):
    host, domain = token(8).lower(), R.choice(DOMAINS)
    h = [f"Return-Path: <bounce-{token(6)}@{domain}>", f"Delivered-To: {R.choice(['me', 'anna', 'info'])}@{R.choice(DOMAINS)}"]
    if R.random() < .5:
        h += [f"Received: by 2002:a05:{token(4).lower()}:b0:{token(3).lower()}:{token(4).lower()} with SMTP id {token(22)};\r\n        {day()} -0700 (PDT)",
              f"X-Google-Smtp-Source: {token(60)}", f"X-Received: by 2002:a17:{token(6).lower()} with SMTP id {token(22)};\r\n        {day()} -0700 (PDT)",
              f"ARC-Seal: i=1; a=rsa-sha256; t=17{R.randint(10**7, 10**8)}; cv=none;\r\n        d=google.com; s=arc-20240605;\r\n        b={b64(256)}",
              f"ARC-Message-Signature: i=1; a=rsa-sha256; c=relaxed/relaxed; d=google.com; s=arc-20240605;\r\n        h=list-unsubscribe-post:list-unsubscribe:to:subject:message-id:date:from\r\n         :mime-version:dkim-signature;\r\n        bh={b64(32)};\r\n        b={b64(256)}",
              f"ARC-Authentication-Results: i=1; mx.google.com;\r\n       dkim=pass header.i=@{domain} header.s=selector1 header.b={token(8)};\r\n       spf=pass (google.com: domain of bounce@{domain} designates {ip()} as permitted sender) smtp.mailfrom=bounce@{domain};\r\n       dmarc=pass (p=NONE sp=QUARANTINE dis=NONE) header.from={domain}"]
    for _ in range(R.randint(1, 3)):
        h.append(f"Received: from {host}.{domain} ({host}.{domain} [{ip()}])\r\n\tby mx.{R.choice(DOMAINS)} (Postfix) with {R.choice(['ESMTPS', 'ESMTP', 'ESMTPSA', 'LMTP'])} id {token(11)}\r\n\t(using TLSv1.3 with cipher TLS_AES_256_GCM_SHA384 (256/256 bits)\r\n\t key-exchange X25519 server-signature RSA-PSS (2048 bits) server-digest SHA256)\r\n\t(No client certificate requested)\r\n\tfor <{token(6).lower()}@{R.choice(DOMAINS)}>; {day()} +0000 (UTC)")
    if R.random() < .7:
        h += [f"Authentication-Results: mx.{domain};\r\n\tdkim=pass (2048-bit key; unprotected) header.d={domain} header.i=@{domain} header.a=rsa-sha256 header.s=default header.b={token(8)};\r\n\tdkim-atps=neutral",
              f"DKIM-Signature: v=1; a=rsa-sha256; c=relaxed/relaxed; d={domain}; s={R.choice(['default', 'selector1', 's1', '20230601'])};\r\n\tt=17{R.randint(10**7, 10**8)}; h=from:from:reply-to:subject:subject:date:date:message-id:message-id:\r\n\t to:to:cc:mime-version:mime-version:content-type:content-type:\r\n\t content-transfer-encoding:content-transfer-encoding;\r\n\tbh={b64(32)};\r\n\tb={b64(256)}"]
    if R.random() < .2:
        h += ["X-MS-Exchange-Organization-SCL: -1", "X-MS-Has-Attach:", f"X-MS-TNEF-Correlator:", f"Thread-Topic: {text(4)}", f"Thread-Index: {token(40)}==", "Accept-Language: de-DE, en-US", "Content-Language: de-DE",
              f"X-Microsoft-Antispam: BCL:0;ARA:13230040|366016|1800799024|376014|38070700018;", f"X-MS-Exchange-CrossTenant-Id: {token(8).lower()}-{token(4).lower()}-4000-8000-000000000000"]
    h += [f"Message-ID: <{token(30)}@{domain}>", f"Date: {day()} +0{R.randint(0, 2)}00", "MIME-Version: 1.0",
          f"{R.choice(['User-Agent', 'X-Mailer'])}: {R.choice(MAILERS)}", f"Subject: {R.choice(['', 'Re: ', 'Fwd: ', 'AW: ', '=?UTF-8?Q?'])}{text(5)}",
          f"To: {address()}", f"From: {address()}"]
    if R.random() < .4:
        h += [f"References: <{token(20)}@{domain}>\r\n <{token(20)}@{domain}>", f"In-Reply-To: <{token(20)}@{domain}>"]
    if R.random() < .4:
        h += [f"List-Unsubscribe: <https://{domain}/unsubscribe?u={token(20)}>, <mailto:unsubscribe@{domain}?subject=unsubscribe>", "List-Unsubscribe-Post: List-Unsubscribe=One-Click",
              f"List-Id: <{token(6).lower()}.{domain}>", "Precedence: bulk", "X-Auto-Response-Suppress: All", f"Feedback-ID: {token(8)}:{token(6)}", f"Reply-To: <reply@{domain}>"]
    if R.random() < .3:
        h += ["X-Spam-Status: No, score=-2.1 required=5.0 tests=BAYES_00,DKIM_SIGNED,\r\n\tDKIM_VALID,DKIM_VALID_AU,DKIM_VALID_EF,HTML_MESSAGE,RCVD_IN_DNSWL_NONE,\r\n\tSPF_HELO_NONE,SPF_PASS autolearn=ham autolearn_force=no version=4.0.0", "X-Spam-Level: ", "X-Virus-Scanned: Debian amavisd-new"]
    return "\r\n".join(h + content) + "\r\n\r\n"


def html():
    return f"""<!DOCTYPE html PUBLIC "-//W3C//DTD XHTML 1.0 Transitional//EN" "http://www.w3.org/TR/xhtml1/DTD/xhtml1-transitional.dtd">\r
<html xmlns=3D"http://www.w3.org/1999/xhtml"><head><meta http-equiv=3D"Content-Type" content=3D"text/html; charset=3Dutf-8">\r
<meta name=3D"viewport" content=3D"width=3Ddevice-width, initial-scale=3D1.0"><title>{text(4)}</title>\r
<style type=3D"text/css">body {{ margin: 0; padding: 0; font-family: Arial, Helvetica, sans-serif; font-size: 14px; color: #333333; background-color: #ffffff; }}\r
@media only screen and (max-width: 600px) {{ .container {{ width: 100% !important; }} }} a {{ color: #0066cc; text-decoration: none; }}</style></head>\r
<body><table width=3D"100%" border=3D"0" cellspacing=3D"0" cellpadding=3D"0" align=3D"center" role=3D"presentation"><tbody><tr><td style=3D"padding: 10px 20px; text-align: center; font-family: Arial, sans-serif; line-height: 1.5; vertical-align: top;">\r
<a href=3D"https://www.{R.choice(DOMAINS)}/?utm_source=3Dnewsletter&amp;utm_medium=3Demail&amp;utm_campaign=3D{token(10)}" target=3D"_blank" style=3D"text-decoration: none; color: #000000;"><img src=3D"https://www.{R.choice(DOMAINS)}/images/logo.png" width=3D"600" height=3D"200" alt=3D"" style=3D"display: block; border: 0;"></a>\r
<p style=3D"margin: 0 0 10px 0;"><span style=3D"font-weight: bold;">{text(20)}</span></p><div><br></div>&nbsp;<div dir=3D"ltr" class=3D"gmail_quote">{text(30)}</div>\r
</td></tr></tbody></table><blockquote class=3D"gmail_quote" style=3D"margin:0px 0px 0px 0.8ex;border-left:1px solid rgb(204,204,204);padding-left:1ex">{text(12)}</blockquote></body></html>\r
"""


def sample():
    kind = R.random()
    plain = "Content-Type: text/plain; charset=utf-8"
    if kind < .35:
        quoted = "\r\n".join("> " + l for l in text(R.randint(10, 60)).split("\r\n"))
        return headers([R.choice([plain, 'Content-Type: text/plain; charset="UTF-8"; format=flowed', "Content-Type: text/plain; charset=iso-8859-1"]), "Content-Transfer-Encoding: " + R.choice(["7bit", "8bit", "quoted-printable"])]) + \
            text(R.randint(20, 200)) + f"\r\n\r\nOn {day()}, {address()} wrote:\r\n{quoted}\r\n\r\n-- \r\n{R.choice(NAMES)}\r\n"
    boundary = R.choice(["----=_Part_%d_%d.%d" % (R.randint(1, 99999), R.randint(1, 10**9), R.randint(10**12, 10**13)), "000000000000" + token(16).lower(), "Apple-Mail=_" + token(36), "------------" + token(24), "_000_" + token(30)])
    body = f"--{boundary}\r\n{plain}\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{text(60)}\r\n\r\n--{boundary}\r\nContent-Type: text/html; charset=utf-8\r\nContent-Transfer-Encoding: quoted-printable\r\n\r\n{html()}\r\n"
    if kind < .75:
        return headers([f'Content-Type: multipart/alternative; boundary="{boundary}"']) + "This is a multi-part message in MIME format.\r\n\r\n" + body + f"--{boundary}--\r\n"
    name = R.choice(["invoice.pdf", "image001.png", "IMG_1234.JPG", "document.docx", "signature.asc", "invite.ics", "report.xlsx"])
    return headers([f'Content-Type: multipart/mixed; boundary="{boundary}"']) + f"This is a multi-part message in MIME format.\r\n--{boundary}\r\n{plain}\r\n\r\n{text(50)}\r\n--{boundary}\r\n" + \
        f'Content-Type: {R.choice(["application/pdf", "image/png", "image/jpeg", "application/octet-stream", "text/calendar; method=REQUEST"])}; name="{name}"\r\nContent-Disposition: {R.choice(["attachment", "inline"])}; filename="{name}"\r\nContent-Transfer-Encoding: base64\r\nContent-ID: <{token(12)}>\r\nX-Attachment-Id: f_{token(9).lower()}\r\n\r\n'


with tempfile.TemporaryDirectory() as d:
    for i in range(2500):
        with open(os.path.join(d, f"{i:05}"), "w", newline="") as f:
            f.write(sample())
    subprocess.run(["zstd", "-q", "--train", "-r", d, "-o", sys.argv[1], "--maxdict=16384", "--dictID=1001", "-19", "-f"], check=True)
