"""authlib, which sends its credentials as HTTP Basic unless told otherwise."""
import time
import unittest

from authlib.integrations.base_client.errors import OAuthError
from authlib.integrations.requests_client import OAuth2Session

from support import CLIENT, SECRET, TOKEN, URL, Suite, claims


class Authlib(Suite, unittest.TestCase):
    def client(self, client_id=CLIENT, method="client_secret_basic", **given):
        client = OAuth2Session(client_id, SECRET, token_endpoint_auth_method=method, token_endpoint=TOKEN, grant_type="client_credentials")
        client.fetch_token(TOKEN, grant_type="client_credentials", **given)
        return client

    def test_credentials_in_the_form(self):
        self.assertIn("access_token", self.client(method="client_secret_post").token)

    def test_the_password_flow_of_their_schema(self):
        client = OAuth2Session(CLIENT, SECRET, token_endpoint_auth_method="client_secret_post")
        token = client.fetch_token(TOKEN, username=CLIENT, password=SECRET)
        self.assertEqual(claims(token["access_token"])["sub"], CLIENT)

    def test_scopes_lifetimes_and_resources(self):
        token = self.client(scope="business:read", expires_in=60, resource="https://api.example.com").token
        self.assertEqual((token["scope"], claims(token["access_token"])["aud"]), ("business:read", "https://api.example.com"))
        self.assertTrue(0 < token["expires_at"] - time.time() <= 60)

    def test_an_old_token_is_renewed_by_itself(self):
        """It sees by expires_at that the token is over, and asks for another one before the call."""
        client = self.client(expires_in=60)
        old = client.token["access_token"]
        client.token["expires_at"] = int(time.time()) - 1
        self.assertEqual(client.get(f"{URL}/v0/business").status_code, 200)
        self.assertNotEqual(client.token["access_token"], old)

    def test_errors_are_understood(self):
        for given, error in [
            ({"client_id": "nobody"}, "invalid_client"),
            ({"scope": "ledger:read"}, "invalid_scope"),
            ({"business_id": "biz_0"}, "invalid_request"),
            ({"resource": "/relative"}, "invalid_target"),
        ]:
            with self.assertRaises(OAuthError) as raised:
                self.client(**given)
            self.assertEqual(raised.exception.error, error)
            self.assertTrue(raised.exception.description)


if __name__ == "__main__":
    unittest.main()
