"""Every call of tier 1 that the SDK for Python has, each with its success and its errors, by its blocking and by its asynchronous client.

A new call is a line in CALLS and its test; the tests are written once and run with both clients.
"""
import datetime
import os
import subprocess
import sys
import unittest

from stytch.consumer.models.sessions import AuthorizationCheck

from support import NOBODY, NUMBERS, PROJECT, Asynchronous, Blocking, Tier, address, header

CALLS = [
    "magic_links.create",
    "magic_links.authenticate",
    "users.create",
    "users.get",
    "users.search",
    "users.search_all",
    "users.update",
    "users.delete",
    "users.delete_external_id",
    "sessions.get",
    "sessions.authenticate",
    "sessions.authenticate_jwt",
    "sessions.authenticate_jwt_local",
    "sessions.revoke",
    "sessions.get_jwks",
]


class Tier1(Tier):
    calls = CALLS

    def test_wrong_credentials_are_told_before_anything_else(self):
        self.refused(401, "unauthorized_credentials", "users.get", self.client(secret="secret-test-wrong-wrong-wrong"), user_id=NOBODY)
        other = self.client(project="project-test-11111111-1111-4111-8111-111111111111")
        self.refused(401, "unauthorized_credentials", "magic_links.create", other, user_id=NOBODY)

    def test_magic_links_create(self):
        external = self.own("link")
        user_id = self.call("users.create", email=address(), external_id=external).user_id
        attributes = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        made = self.call("magic_links.create", user_id=external, expiration_minutes=5, attributes=attributes)
        self.assertEqual((made.status_code, made.user_id, len(made.token)), (200, user_id, 44))
        self.refused(404, "user_not_found", "magic_links.create", user_id=NOBODY)
        self.refused(400, "invalid_user_id", "magic_links.create", user_id="")
        self.refused(400, "invalid_expiration", "magic_links.create", user_id=user_id, expiration_minutes=10081)

    def test_magic_links_authenticate_works_once_and_makes_no_session_unless_asked(self):
        user_id = self.call("users.create", email=address(), create_user_as_pending=True).user_id
        token = self.link(user_id)
        done = self.call("magic_links.authenticate", token=token)
        self.assertEqual((done.user_id, done.session_token, done.session_jwt, done.session, done.reset_sessions), (user_id, "", "", None, False))
        self.assertTrue(done.method_id)
        self.assertEqual((done.user.status, done.user.emails[0].verified), ("active", False))
        self.refused(401, "unable_to_auth_magic_link", "magic_links.authenticate", token=token)
        self.refused(404, "magic_link_not_found", "magic_links.authenticate", token="Unmade3rvIMMW5lgItikFK-Ak1CfMsgjuiCyI7uuU94=")
        self.refused(400, "invalid_token", "magic_links.authenticate", token="")
        self.refused(400, "invalid_session_duration_minutes", "magic_links.authenticate", token=self.link(user_id), session_duration_minutes=4)

    def test_magic_links_authenticate_makes_a_session_with_claims_and_attributes(self):
        attributes = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        claims = {"plan": "gold", "https://app.example.com/team": {"id": 7}, "sub": "somebody else"}
        done = self.signed_in(attributes=attributes, session_custom_claims=claims)
        self.assertEqual(done.session.custom_claims, {"plan": "gold", "https://app.example.com/team": {"id": 7}})
        self.assertEqual((done.session.attributes.ip_address, done.session.attributes.user_agent), ("203.0.113.7", "Firefox"))
        factor = done.session.authentication_factors[0]
        self.assertEqual((factor.type.value, factor.delivery_method.value), ("magic_link", "embedded"))
        self.assertTrue(factor.embeddable_magic_link_factor.embedded_id)
        self.assertAlmostEqual(done.session.expires_at - done.session.started_at, datetime.timedelta(hours=1), delta=datetime.timedelta(seconds=5))

    def test_magic_links_authenticate_compares_the_device_where_that_is_asked_for(self):
        user_id = self.call("users.create", email=address()).user_id
        token = self.link(user_id, attributes={"ip_address": "203.0.113.7", "user_agent": "Firefox"})
        options = {"ip_match_required": True, "user_agent_match_required": True}
        there = {"ip_address": "203.0.113.8", "user_agent": "Firefox"}
        self.refused(401, "attribute_mismatch", "magic_links.authenticate", token=token, options=options, attributes=there)
        here = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        self.assertEqual(self.call("magic_links.authenticate", token=token, options=options, attributes=here).user_id, user_id)

    def test_magic_links_authenticate_joins_a_session(self):
        first = self.signed_in()
        joined = self.call("magic_links.authenticate", token=self.link(first.user_id), session_token=first.session_token)
        again = self.call("magic_links.authenticate", token=self.link(first.user_id), session_jwt=joined.session_jwt, session_duration_minutes=90)
        self.assertEqual({first.session.session_id}, {joined.session.session_id, again.session.session_id})
        self.assertEqual(len(again.session.authentication_factors), 3)
        self.assertGreater(again.session.expires_at, first.session.expires_at)
        self.assertEqual(len(self.call("sessions.get", user_id=first.user_id).sessions), 1)
        other, token = self.signed_in(), self.link(first.user_id)
        self.refused(400, "user_id_mismatch", "magic_links.authenticate", token=token, session_token=other.session_token)
        self.refused(404, "session_not_found", "magic_links.authenticate", token=token, session_token="x" * 44)
        both = {"session_token": first.session_token, "session_jwt": first.session_jwt}
        self.refused(400, "too_many_session_arguments", "magic_links.authenticate", token=token, **both)
        self.assertTrue(self.call("magic_links.authenticate", token=token).is_success)

    def test_users_create(self):
        email, external = address(), self.own("create.a_b-c")
        phone = f"+1202555{1000 + next(NUMBERS)}"
        made = self.call(
            "users.create",
            email=email.upper(),
            phone_number=phone,
            name={"first_name": "Ada", "last_name": "Lovelace"},
            create_user_as_pending=True,
            trusted_metadata={"plan": "gold", "nested": {"a": [1, None]}},
            untrusted_metadata={"theme": "dark"},
            external_id=external,
            roles=["editor"],
        )
        user = made.user
        self.assertEqual((made.status, user.user_id, user.external_id, user.roles), ("pending", made.user_id, external, ["editor"]))
        self.assertEqual((user.emails[0].email, user.emails[0].email_id, user.emails[0].verified), (email, made.email_id, False))
        self.assertEqual((user.phone_numbers[0].phone_number, user.phone_numbers[0].phone_id), (phone, made.phone_id))
        self.assertEqual(user.trusted_metadata, {"plan": "gold", "nested": {"a": [1, None]}})
        self.assertEqual((user.name.first_name, user.name.last_name), ("Ada", "Lovelace"))
        self.assertEqual(self.call("users.create", email=address()).phone_id, "")
        self.refused(400, "duplicate_email", "users.create", email=email)
        self.refused(400, "duplicate_phone_number", "users.create", phone_number=phone)
        self.refused(400, "duplicate_user_external_id", "users.create", email=address(), external_id=external)
        self.refused(400, "invalid_email", "users.create", email="not an address")
        self.refused(400, "invalid_create_user_request", "users.create")
        many = {f"key{number}": number for number in range(21)}
        self.refused(400, "metadata_too_many_keys", "users.create", email=address(), trusted_metadata=many)

    def test_users_get(self):
        external = self.own("1")
        user_id = self.call("users.create", email=address(), external_id=external).user_id
        found = self.call("users.get", user_id=external)
        self.assertEqual((found.user_id, found.external_id), (user_id, external))
        self.assertEqual(self.call("users.get", user_id=user_id).created_at, found.created_at)
        self.refused(404, "user_not_found", "users.get", user_id=NOBODY)
        self.refused(404, "user_not_found", "users.get", user_id="ada|1/../ada+1@example.com")

    def test_users_search_and_search_all(self):
        domain = f"{type(self).__name__.lower()}.example.org"
        found = {self.call("users.create", email=f"searched{number}@{domain}").user_id for number in range(5)}
        query = {"operator": "AND", "operands": [{"filter_name": "email_address_fuzzy", "filter_value": domain}, {"filter_name": "email_verified", "filter_value": False}]}
        first = self.call("users.search", limit=2, query=query)
        self.assertEqual(len(first.results), 2)
        self.assertIsNotNone(first.results_metadata.next_cursor)
        pages = [[user.user_id for user in page.results] for page in self.call("users.search_all", limit=2, query=query)]
        self.assertEqual([len(page) for page in pages], [2, 2, 1])
        self.assertEqual({user_id for page in pages for user_id in page}, found)
        self.assertGreaterEqual(self.call("users.search").results_metadata.total, 5)
        self.refused(400, "user_search_invalid_limit", "users.search", limit=0)
        self.refused(400, "user_search_invalid_cursor", "users.search", cursor="nonsense")
        unknown = {"operator": "AND", "operands": [{"filter_name": "shoe_size", "filter_value": 1}]}
        self.refused(400, "user_search_filter_name_not_recognized", "users.search", query=unknown)

    def test_users_update(self):
        external = self.own("update")
        user_id = self.call("users.create", email=address(), name={"first_name": "Ada"}, trusted_metadata={"a": 1, "b": 2}).user_id
        changed = self.call(
            "users.update", user_id=user_id, name={"last_name": "Lovelace"}, trusted_metadata={"a": None, "c": 3}, external_id=external, roles=["admin"]
        )
        self.assertEqual((changed.user.name.first_name, changed.user.name.last_name), ("Ada", "Lovelace"))
        self.assertEqual((changed.user.trusted_metadata, changed.user.roles), ({"b": 2, "c": 3}, ["admin"]))
        self.assertEqual((len(changed.emails), changed.phone_numbers, changed.crypto_wallets), (1, [], []))
        again = self.call("users.update", user_id=external, untrusted_metadata={"theme": "dark"})
        self.assertEqual((again.user_id, again.user.untrusted_metadata), (user_id, {"theme": "dark"}))
        self.refused(404, "user_not_found", "users.update", user_id=NOBODY, name={})
        self.refused(400, "metadata_too_large", "users.update", user_id=user_id, trusted_metadata={"big": "x" * 5000})

    def test_users_delete_external_id(self):
        external = self.own("gone")
        user_id = self.call("users.create", email=address(), external_id=external).user_id
        done = self.call("users.delete_external_id", user_id=external)
        self.assertEqual((done.user_id, done.user.external_id), (user_id, None))
        self.refused(404, "user_not_found", "users.delete_external_id", user_id=external)

    def test_users_delete(self):
        held, external = self.signed_in(), self.own("deleted")
        token = self.link(held.user_id)
        self.call("users.update", user_id=held.user_id, external_id=external)
        self.assertEqual(self.call("users.delete", user_id=external).user_id, held.user_id)
        self.refused(404, "user_not_found", "users.delete", user_id=held.user_id)
        self.refused(404, "session_not_found", "sessions.authenticate", session_token=held.session_token)
        self.refused(404, "magic_link_not_found", "magic_links.authenticate", token=token)

    def test_sessions_get(self):
        held, external = self.signed_in(), self.own("sessions")
        self.call("users.update", user_id=held.user_id, external_id=external)
        sessions = self.call("sessions.get", user_id=external).sessions
        self.assertEqual([(one.session_id, one.user_id) for one in sessions], [(held.session.session_id, held.user_id)])
        self.refused(404, "user_not_found", "sessions.get", user_id=NOBODY)

    def test_sessions_authenticate(self):
        held = self.signed_in(session_custom_claims={"a": 1, "b": 2})
        token, jwt = held.session_token, held.session_jwt
        longer = self.call("sessions.authenticate", session_token=token, session_duration_minutes=600, session_custom_claims={"a": None, "c": 3})
        self.assertEqual(longer.session.custom_claims, {"b": 2, "c": 3})
        self.assertGreater(longer.session.expires_at, held.session.expires_at)
        self.assertEqual((longer.user.user_id, longer.session_token, longer.verdict), (held.user_id, token, None))
        self.assertEqual(self.call("sessions.authenticate", session_jwt=jwt).session.expires_at, longer.session.expires_at)
        self.refused(400, "no_session_arguments", "sessions.authenticate")
        self.refused(400, "too_many_session_arguments", "sessions.authenticate", session_token=token, session_jwt=jwt)
        self.refused(404, "session_not_found", "sessions.authenticate", session_token="x" * 44)
        self.refused(400, "unable_to_parse_session_jwt", "sessions.authenticate", session_jwt=jwt[:-8] + "AAAAAAAA")
        check = AuthorizationCheck(resource_id="documents", action="read")
        self.refused(403, "session_authorization_error", "sessions.authenticate", session_token=token, authorization_check=check)

    def test_sessions_authenticate_jwt_local(self):
        attributes = {"ip_address": "203.0.113.7", "user_agent": "Firefox"}
        held = self.signed_in(session_custom_claims={"plan": "gold"}, attributes=attributes)
        local = self.call("sessions.authenticate_jwt_local", session_jwt=held.session_jwt)
        self.assertEqual((local.session_id, local.user_id, local.custom_claims, local.roles), (held.session.session_id, held.user_id, {"plan": "gold"}, []))
        self.assertEqual((local.expires_at, local.started_at), (held.session.expires_at, held.session.started_at))
        self.assertEqual((local.attributes.user_agent, local.authentication_factors[0].delivery_method.value), ("Firefox", "embedded"))
        check = lambda **given: self.call("sessions.authenticate_jwt_local", **given)
        self.assertIsNone(check(session_jwt=held.session_jwt, max_token_age_seconds=0))
        self.assertIsNotNone(check(session_jwt=held.session_jwt, max_token_age_seconds=240))
        self.assertIsNone(check(session_jwt=held.session_jwt[:-8] + "AAAAAAAA"))

    def test_sessions_authenticate_jwt(self):
        held = self.signed_in()
        local = self.call("sessions.authenticate_jwt", session_jwt=held.session_jwt)
        self.assertEqual((local.session_jwt, local.request_id), (held.session_jwt, ""), "no call was made")
        # Too old for the SDK: it asks the server, which answers with a fresh one.
        stale = self.call("sessions.authenticate_jwt", session_jwt=held.session_jwt, max_token_age_seconds=0, session_custom_claims={"plan": "gold"})
        self.assertEqual((stale.session.session_id, stale.session.custom_claims), (held.session.session_id, {"plan": "gold"}))
        self.assertTrue(stale.request_id)
        self.assertIsNotNone(self.call("sessions.authenticate_jwt_local", session_jwt=stale.session_jwt))
        self.call("sessions.revoke", session_jwt=stale.session_jwt)
        self.refused(404, "session_not_found", "sessions.authenticate_jwt", session_jwt=held.session_jwt, max_token_age_seconds=0)

    def test_sessions_revoke(self):
        for by in ("session_id", "session_token", "session_jwt"):
            held = self.signed_in()
            named = held.session.session_id if by == "session_id" else getattr(held, by)
            self.assertTrue(self.call("sessions.revoke", **{by: named}).is_success)
            self.refused(404, "session_not_found", "sessions.authenticate", session_token=held.session_token)
            self.refused(404, "session_not_found", "sessions.authenticate", session_jwt=held.session_jwt)
            self.assertIsNotNone(self.call("sessions.authenticate_jwt_local", session_jwt=held.session_jwt), "until it expires")
        self.refused(400, "no_session_revoke_arguments", "sessions.revoke")
        self.refused(400, "too_many_session_revoke_arguments", "sessions.revoke", session_id=held.session.session_id, session_token="x")

    def test_sessions_get_jwks(self):
        held = self.signed_in()
        keys = self.call("sessions.get_jwks", project_id=PROJECT).keys
        self.assertIn(header(held.session_jwt)["kid"], [key.kid for key in keys])
        self.assertEqual({(key.kty, key.alg, key.use, key.e) for key in keys}, {("RSA", "RS256", "sig", "AQAB")})
        self.refused(404, "project_not_found", "sessions.get_jwks", project_id="project-test-11111111-1111-4111-8111-111111111111")

    def test_a_signing_key_is_rotated_and_nobodys_check_fails(self):
        held = self.signed_in()
        token, old = held.session_token, held.session_jwt
        published = lambda: len(self.call("sessions.get_jwks", project_id=PROJECT).keys)
        before = published()
        subprocess.run([sys.executable, os.environ["SDK_ROTATE"]], check=True)
        self.becomes(lambda: published() > before)
        # An SDK that fetches its keys during the lead, and keeps them over the change.
        cached = self.client()
        self.assertIsNotNone(self.call("sessions.authenticate_jwt_local", cached, session_jwt=old))
        fresh = lambda: self.call("sessions.authenticate", session_token=token).session_jwt
        self.assertEqual(header(fresh())["kid"], header(old)["kid"], "published, and not yet used")
        self.becomes(lambda: header(fresh())["kid"] != header(old)["kid"])
        new = fresh()
        for one in (cached, self.client()):
            self.assertIsNotNone(self.call("sessions.authenticate_jwt_local", one, session_jwt=new))
            self.assertIsNotNone(self.call("sessions.authenticate_jwt_local", one, session_jwt=old), "the old key stays published")
        self.assertTrue(self.call("sessions.authenticate", session_jwt=old).is_success)


class BlockingTier1(Blocking, Tier1, unittest.TestCase):
    pass


class AsynchronousTier1(Asynchronous, Tier1, unittest.TestCase):
    pass
