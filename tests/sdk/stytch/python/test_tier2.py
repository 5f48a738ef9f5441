"""Every call of tier 2 that the SDK for Python has, by its blocking and by its asynchronous client: mailed links and codes, proof keys, addresses, the small calls,
and the vendor's constants for tests. Links and codes are taken out of mails that were really sent. A new call is a line in CALLS and its test.
"""
import base64
import hashlib
import secrets
import unittest

from stytch.consumer.models.magic_links_email import LoginOrCreateRequestLocale

from support import NOBODY, NUMBERS, PROJECT, Asynchronous, Blocking, Tier, address

CALLS = [
    "magic_links.email.login_or_create",
    "magic_links.email.send",
    "magic_links.email.invite",
    "magic_links.email.revoke_invite",
    "magic_links.authenticate",
    "otps.email.login_or_create",
    "otps.email.send",
    "otps.authenticate",
    "users.delete_email",
    "users.delete_phone_number",
    "users.exchange_primary_factor",
    "debug.whoami",
    "project.metrics",
    "rbac.policy",
]


def wrong(code):
    return "654321" if code == "123456" else "123456"


def phone():
    return f"+1202555{1000 + next(NUMBERS)}"


class Tier2(Tier):
    calls = CALLS

    def exchange(self, email, which=1, **given):
        return self.call("magic_links.authenticate", token=self.mailed_token(email, which), **given)

    def test_magic_links_email_login_or_create(self):
        email = address()
        sent = self.call(
            "magic_links.email.login_or_create",
            email=email,
            create_user_as_pending=True,
            signup_expiration_minutes=30,
            locale=LoginOrCreateRequestLocale.PTBR,
            attributes={"ip_address": "203.0.113.7"},
        )
        self.assertEqual((sent.status_code, sent.user_created), (200, True))
        self.assertIn("for 30 minutes", self.mail(email))
        done = self.exchange(email, session_duration_minutes=60)
        self.assertEqual((done.user_id, done.method_id, done.user.status), (sent.user_id, sent.email_id, "active"))
        self.assertEqual([(one.email_id, one.email, one.verified) for one in done.user.emails], [(sent.email_id, email, True)])
        factor = done.session.authentication_factors[0]
        self.assertEqual((factor.type.value, factor.delivery_method.value), ("magic_link", "email"))
        self.assertEqual((factor.email_factor.email_id, factor.email_factor.email_address), (sent.email_id, email))
        self.refused(401, "unable_to_auth_magic_link", "magic_links.authenticate", token=self.mailed_token(email))

        given = {"login_magic_link_url": "https://app.example.com/other", "login_expiration_minutes": 5}
        again = self.call("magic_links.email.login_or_create", email=email.upper(), **given)
        self.assertEqual((again.user_id, again.email_id, again.user_created), (sent.user_id, sent.email_id, False))
        self.assertIn("for 5 minutes", self.mail(email, 2))
        self.assertEqual(self.exchange(email, 2).user_id, sent.user_id)

    def test_magic_links_email_bad_fields_and_a_full_mailbox(self):
        email, name = address(), "magic_links.email.login_or_create"
        self.refused(400, "invalid_email", name, email="not an address")
        self.refused(400, "invalid_expiration", name, email=email, login_expiration_minutes=4)
        self.refused(400, "invalid_expiration", name, email=email, signup_expiration_minutes=10081)
        self.refused(400, "no_match_for_provided_magic_link_url", name, email=email, signup_magic_link_url="https://app.example.com/elsewhere")
        self.refused(400, "invalid_magic_link_url", name, email=email, login_magic_link_url="not a url")
        self.refused(400, "invalid_locale", name, email=email, locale="xx")
        self.refused(400, "email_template_not_found", name, email=email, login_template_id="unknown")
        self.refused(400, "invalid_pkce_code_challenge", name, email=email, code_challenge="short")
        self.refused(404, "email_not_found", "magic_links.email.send", email=email)
        for _ in range(3):
            self.call(name, email=email)
        self.mail(email, 3)
        self.refused(429, "too_many_requests", name, email=email)

    def test_magic_links_email_send(self):
        first, second, third, external = address(), address(), address(), self.own("send")
        made = self.call("users.create", email=first, external_id=external)
        sent = self.call("magic_links.email.send", email=first)
        self.assertEqual((sent.user_id, sent.email_id), (made.user_id, made.email_id))
        held = self.exchange(first, session_duration_minutes=60)

        added = self.call("magic_links.email.send", email=second, user_id=external)
        done = self.exchange(second)
        self.assertEqual((added.user_id, done.user_id, done.method_id), (made.user_id, made.user_id, added.email_id))
        self.assertEqual([(one.email, one.verified) for one in done.user.emails], [(first, True), (second, True)])
        self.assertEqual(self.call("magic_links.email.send", email=third, session_jwt=held.session_jwt).user_id, made.user_id)
        joined = self.exchange(third, session_token=held.session_token)
        self.assertEqual((len(joined.user.emails), len(joined.session.authentication_factors)), (3, 2))

        self.refused(404, "user_not_found", "magic_links.email.send", email=address(), user_id=NOBODY)
        self.refused(404, "session_not_found", "magic_links.email.send", email=address(), session_token="x" * 44)
        both = {"user_id": made.user_id, "session_token": held.session_token}
        self.refused(400, "too_many_session_arguments", "magic_links.email.send", email=first, **both)
        other = address()
        self.call("users.create", email=other)
        self.refused(400, "duplicate_email", "magic_links.email.send", email=other, user_id=made.user_id)

    def test_magic_links_email_invite_and_revoke_invite(self):
        email = address()
        invited = self.call(
            "magic_links.email.invite",
            email=email,
            invite_magic_link_url="https://app.example.com/join",
            invite_expiration_minutes=90,
            name={"first_name": "Grace"},
            trusted_metadata={"plan": "gold"},
        )
        user = self.call("users.get", user_id=invited.user_id)
        self.assertEqual((user.status, user.name.first_name, user.trusted_metadata), ("pending", "Grace", {"plan": "gold"}))
        self.assertIn("You are invited to", self.mail(email))
        self.assertIn("for 90 minutes", self.mail(email))
        self.assertTrue(self.call("magic_links.email.revoke_invite", email=email).is_success)
        self.refused(404, "magic_link_not_found", "magic_links.authenticate", token=self.mailed_token(email))
        self.refused(404, "email_not_found", "magic_links.email.revoke_invite", email=email)

        self.call("magic_links.email.invite", email=email)
        done = self.exchange(email, 2)
        self.assertEqual((done.user.status, done.user.emails[0].verified), ("active", True))
        self.refused(400, "user_already_invited", "magic_links.email.invite", email=email)
        self.refused(400, "invalid_email", "magic_links.email.invite", email="nobody")
        self.refused(400, "invalid_expiration", "magic_links.email.invite", email=address(), invite_expiration_minutes=4)
        elsewhere = {"invite_magic_link_url": "https://app.example.com/other"}
        self.refused(400, "no_match_for_provided_magic_link_url", "magic_links.email.invite", email=address(), **elsewhere)

    def test_proof_keys(self):
        email, verifier = address(), secrets.token_urlsafe(32)
        challenge = base64.urlsafe_b64encode(hashlib.sha256(verifier.encode()).digest()).decode().rstrip("=")
        self.call("magic_links.email.login_or_create", email=email, code_challenge=challenge)
        token = self.mailed_token(email)
        self.refused(400, "pkce_expected_code_verifier", "magic_links.authenticate", token=token)
        self.refused(400, "invalid_pkce_code_verifier", "magic_links.authenticate", token=token, code_verifier="short")
        self.refused(400, "pkce_mismatch", "magic_links.authenticate", token=token, code_verifier=challenge)
        self.assertTrue(self.exchange(email, code_verifier=verifier).is_success)
        self.call("magic_links.email.send", email=email)
        without = self.mailed_token(email, 2)
        self.refused(400, "pkce_did_not_expect_code_verifier", "magic_links.authenticate", token=without, code_verifier=verifier)
        self.call("magic_links.email.send", email=email, code_challenge=challenge)
        self.assertTrue(self.exchange(email, 3, code_verifier=verifier).is_success)

    def test_otps(self):
        email, second = address(), address()
        sent = self.call("otps.email.login_or_create", email=email, expiration_minutes=10, create_user_as_pending=True)
        method, code = sent.email_id, self.mailed_code(email)
        self.assertTrue(sent.user_created)
        self.refused(404, "otp_code_not_found", "otps.authenticate", method_id=method, code=wrong(code))
        self.refused(400, "invalid_code", "otps.authenticate", method_id=method, code="12345")
        self.refused(400, "invalid_method_id", "otps.authenticate", method_id="", code=code)
        given = {"session_duration_minutes": 60, "session_custom_claims": {"plan": "gold"}}
        done = self.call("otps.authenticate", method_id=method, code=code, **given)
        self.assertEqual((done.user_id, done.method_id, done.user.status), (sent.user_id, method, "active"))
        self.assertEqual((done.user.emails[0].verified, done.session.custom_claims), (True, {"plan": "gold"}))
        factor = done.session.authentication_factors[0]
        self.assertEqual((factor.type.value, factor.delivery_method.value, factor.email_factor.email_address), ("otp", "email", email))
        self.refused(401, "unable_to_auth_otp_code", "otps.authenticate", method_id=method, code=code)

        again = self.call("otps.email.send", email=email)
        self.assertEqual((again.user_id, again.email_id), (sent.user_id, method))
        joined = self.call("otps.authenticate", method_id=method, code=self.mailed_code(email, 2), session_token=done.session_token)
        self.assertEqual(joined.session.session_id, done.session.session_id)
        self.assertFalse(self.call("otps.email.login_or_create", email=email).user_created)
        added = self.call("otps.email.send", email=second, user_id=sent.user_id)
        both = self.call("otps.authenticate", method_id=added.email_id, code=self.mailed_code(second))
        self.assertEqual([one.verified for one in both.user.emails], [True, True])

        self.refused(404, "email_not_found", "otps.email.send", email=address())
        self.refused(400, "invalid_expiration_otp", "otps.email.send", email=second, expiration_minutes=11)
        self.refused(400, "invalid_email", "otps.email.login_or_create", email="nobody")
        self.refused(400, "invalid_expiration_otp", "otps.email.login_or_create", email=second, expiration_minutes=0)

    def test_otps_five_wrong_codes(self):
        email = address()
        method = self.call("otps.email.login_or_create", email=email).email_id
        code = self.mailed_code(email)
        for _ in range(5):
            self.refused(404, "otp_code_not_found", "otps.authenticate", method_id=method, code=wrong(code))
        self.refused(401, "unable_to_auth_otp_code", "otps.authenticate", method_id=method, code=code)

    def test_users_addresses(self):
        email, external = address(), self.own("factor")
        made = self.call("users.create", email=email, phone_number=phone(), external_id=external)
        self.refused(400, "invalid_exchange_primary_factor_user", "users.exchange_primary_factor", user_id=made.user_id, email_address=address())
        left = self.call("users.delete_phone_number", phone_id=made.phone_id)
        self.assertEqual((left.user_id, left.user.phone_numbers, len(left.user.emails)), (made.user_id, [], 1))
        self.refused(400, "cannot_delete_last_primary_factor", "users.delete_email", email_id=made.email_id)
        self.refused(404, "user_not_found", "users.delete_phone_number", phone_id=made.phone_id)
        new = address()
        changed = self.call("users.exchange_primary_factor", user_id=external, email_address=new)
        self.assertEqual([(one.email, one.verified) for one in changed.user.emails], [(new, False)])
        self.refused(400, "invalid_exchange_primary_factor_fields", "users.exchange_primary_factor", user_id=made.user_id)
        self.refused(404, "user_not_found", "users.exchange_primary_factor", user_id=NOBODY, email_address=address())
        self.call("users.create", email=email)
        self.refused(400, "duplicate_email", "users.exchange_primary_factor", user_id=made.user_id, email_address=email)

        two = self.call("users.create", email=address(), phone_number=phone())
        self.assertEqual(self.call("users.delete_email", email_id=two.email_id).user.emails, [])
        self.refused(400, "cannot_delete_last_primary_factor", "users.delete_phone_number", phone_id=two.phone_id)
        number = phone()
        moved = self.call("users.exchange_primary_factor", user_id=two.user_id, phone_number=number)
        self.assertEqual([one.phone_number for one in moved.user.phone_numbers], [number])

    def test_small_calls(self):
        who = self.call("debug.whoami")
        self.assertEqual((who.project_id, who.name), (PROJECT, "shop"))
        counted = self.call("project.metrics")
        self.assertEqual((counted.project_id, [one.metric_type.value for one in counted.metrics]), (PROJECT, ["USER_COUNT"]))
        self.call("users.create", email=address())
        self.assertEqual(self.call("project.metrics").metrics[0].count, counted.metrics[0].count + 1)
        policy = self.call("rbac.policy").policy
        self.assertEqual((policy.roles, policy.resources, policy.scopes), ([], [], []))
        stranger = self.client(secret="secret-test-wrong-wrong-wrong")
        for name in ("debug.whoami", "project.metrics", "rbac.policy"):
            self.refused(401, "unauthorized_credentials", name, stranger)

    def test_the_vendors_constants(self):
        email, user_id = "sandbox@stytch.com", "user-test-e3795c81-f849-4167-bfda-e4a6e9c280fd"
        session = "WJtR5BCy38Szd5AfoDpf0iqFKEt4EE5JhjlWUY7l3FtY"
        for name in ("magic_links.email.login_or_create", "magic_links.email.send", "magic_links.email.invite", "otps.email.login_or_create", "otps.email.send"):
            sent = self.call(name, email=email)
            self.assertEqual(sent.user_id, user_id)
        self.assertTrue(self.call("magic_links.email.revoke_invite", email=email).is_success)
        for _ in range(2):
            done = self.call("magic_links.authenticate", token="DOYoip3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=", session_duration_minutes=60)
            self.assertEqual((done.user_id, done.session_token), (user_id, session))
            self.assertEqual(self.call("sessions.authenticate_jwt_local", session_jwt=done.session_jwt).user_id, user_id)
        used = "3pzjQpgksDlGKWEwUq2Up--hCHC_0oamfLHyfspKDFU="
        self.refused(401, "unable_to_auth_magic_link", "magic_links.authenticate", token=used)
        unknown = "CprTtwhnRNiMBiUS2jSLcWYrfuO2POeBNdo5HhW6qTM="
        self.refused(404, "magic_link_not_found", "magic_links.authenticate", token=unknown)
        held = self.call("sessions.authenticate", session_token=session).session
        self.assertEqual(held.authentication_factors[0].email_factor.email_address, email)
        self.assertEqual(held.started_at.isoformat(), "2021-08-28T00:41:58.935673+00:00")
        ended = "59cnLELtq5cFVS6uYK9f-pAWzBkhqZl8AvLhbhOvKNWw"
        self.refused(404, "session_not_found", "sessions.authenticate", session_token=ended)
        self.assertEqual(self.call("otps.authenticate", method_id=sent.email_id, code="000000").user_id, user_id)
        self.refused(404, "otp_code_not_found", "otps.authenticate", method_id=sent.email_id, code="000001")
        self.refused(404, "user_not_found", "sessions.get", user_id=user_id)


class BlockingTier2(Blocking, Tier2, unittest.TestCase):
    pass


class AsynchronousTier2(Asynchronous, Tier2, unittest.TestCase):
    pass
