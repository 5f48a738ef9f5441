"""The package's client: the app's configuration, the key set, tokens, profiles."""
import base64
import json
import unittest

from support import OTHER, address, by_mail, server_call, signed_in  # first: it sets Django up
import jwt
from django.core.cache import cache
from rownd_django.auth import client


class Start(unittest.TestCase):
    """Named so that it runs first: nobody has been given a token yet."""

    def test_a_the_configuration_is_there_when_django_is(self):
        app = cache.get("rownd:app_config")[0]["app"]
        self.assertEqual(app, client.RowndAppConfig().config["app"])
        self.assertRegex(app["id"], r"^app_[a-z][a-z0-9]{23}$")
        self.assertEqual(sorted(app["schema"]), ["email", "first_name", "google_id", "last_name", "phone_number"])

    def test_b_the_key_that_will_sign_is_published_before_it_does(self):
        """Node's SDK keeps a key set for an hour and asks for no unknown key: whoever fetches it before the first token must find the key of that token."""
        before = {key.key_id for key in client.fetch_jwks().get_signing_keys()}
        token = by_mail()["access_token"]
        self.assertIn(jwt.get_unverified_header(token)["kid"], before)


class Tokens(unittest.TestCase):
    def setUp(self):
        self.app = client.RowndAppConfig().config["app"]["id"]

    def test_an_access_token_is_valid(self):
        session = by_mail()
        claims = client.validate_jwt(session["access_token"])
        self.assertEqual(claims["sub"], session["app_user_id"])
        self.assertEqual(claims["https://auth.rownd.io/app_user_id"], session["app_user_id"])
        self.assertEqual(claims["aud"][0], f"app:{self.app}")
        self.assertIs(claims["https://auth.rownd.io/is_verified_user"], True)

    def test_without_a_verification_nothing_is_verified(self):
        claims = client.validate_jwt(signed_in(data={"email": address()})["access_token"])
        self.assertIs(claims["https://auth.rownd.io/is_verified_user"], False)
        self.assertEqual(claims["https://auth.rownd.io/auth_level"], "unverified")

    def test_a_token_of_another_app_is_not(self):
        token = signed_in(*OTHER, redirect_url="https://other.example.com/in", data={"email": address()})["access_token"]
        with self.assertRaises(jwt.exceptions.InvalidAudienceError):
            client.validate_jwt(token)

    def test_what_is_no_token_of_ours_is_not(self):
        token = by_mail()["access_token"]
        header, body, signature = token.split(".")
        claims = json.loads(base64.urlsafe_b64decode(body + "=="))
        forged = base64.urlsafe_b64encode(json.dumps({**claims, "sub": "somebody"}).encode()).rstrip(b"=").decode()
        unknown = base64.urlsafe_b64encode(b'{"alg":"EdDSA","kid":"sig-1"}').rstrip(b"=").decode()
        for bad in (f"{header}.{forged}.{signature}", f"{unknown}.{body}.{signature}", "nonsense", "a.b.c"):
            with self.assertRaises(jwt.exceptions.PyJWTError, msg=bad):
                client.validate_jwt(bad)

    def test_the_next_access_token_is_valid_too(self):
        session = by_mail()
        answer = server_call("POST", "/hub/auth/token", json={"refresh_token": session["refresh_token"]})
        self.assertEqual(client.validate_jwt(answer.json()["access_token"])["sub"], session["app_user_id"])


class Profiles(unittest.TestCase):
    def test_a_profile_is_fetched(self):
        session = by_mail(first_name="Ada")
        profile = client.fetch_user(session["app_user_id"])
        self.assertEqual(profile["data"]["first_name"], "Ada")
        # The package asks for these with a default for those that are missing: `null` would not be missing.
        self.assertNotIn("last_name", profile["data"])
        self.assertEqual(profile["rownd_user"], session["app_user_id"])

    def test_nobody_is_told_of_in_json(self):
        with self.assertRaisesRegex(Exception, "Failed to fetch user: .*E_USER_NOT_FOUND"):
            client.fetch_user("nobody")
