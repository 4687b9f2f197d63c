"""Walks through smtplib's API: LMTP, reception, submission over TLS and STARTTLS."""

import smtplib
from email.message import EmailMessage

from roost_client import HOST, PASSWORD, TLS, USER, port, refused, same

message = EmailMessage()
message["From"] = USER
message["To"] = USER
message["Subject"] = "Grüße vom Spaziergang"
message.set_content("Zeile eins\n.\n..\nFrom here on\nä\n")
message.add_attachment(bytes(range(256)) * 20, maintype="application", subtype="octet-stream", filename="a b.bin")

with smtplib.LMTP(HOST, port("lmtp")) as lmtp:
    same(lmtp.sendmail("x@elsewhere.example", [USER], message.as_bytes()), {}, "LMTP")
    refusals = lmtp.sendmail("x@elsewhere.example", [USER, "nobody@home.example"], message.as_bytes())
    same(list(refusals), ["nobody@home.example"], "LMTP refusals")

with smtplib.SMTP(HOST, port("smtp")) as reception:
    reception.ehlo("client.example")
    assert reception.has_extn("starttls") and not reception.has_extn("auth"), reception.esmtp_features
    refused(reception.login, USER, PASSWORD)
    reception.starttls(context=TLS)
    same(reception.send_message(message, "x@elsewhere.example", [USER]), {}, "reception")
    error = refused(reception.sendmail, "x@elsewhere.example", ["victim@far-away.example"], "x")
    assert "550" in error, error
    same(reception.verify(USER)[0], 252, "VRFY")

with smtplib.SMTP(HOST, port("submission")) as submission:
    submission.ehlo("client.example")
    assert not submission.has_extn("auth"), submission.esmtp_features
    submission.starttls(context=TLS)
    submission.ehlo("client.example")
    assert "535" in refused(submission.login, USER, "wrong")
    submission.login(USER, PASSWORD)
    same(submission.send_message(message), {}, "submission")

with smtplib.SMTP_SSL(HOST, port("submissions"), context=TLS) as submissions:
    error = refused(submissions.sendmail, USER, [USER], "x")
    assert "530" in error, error
    submissions.user, submissions.password = USER, PASSWORD
    submissions.ehlo("client.example")
    submissions.auth("LOGIN", submissions.auth_login, initial_response_ok=False)
    same(submissions.send_message(message), {}, "submissions")
    error = refused(submissions.sendmail, USER, [USER], "From: other@home.example\r\n\r\nx")
    assert "550" in error, error
print("walked")
