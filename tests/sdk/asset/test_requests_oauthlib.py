"""requests-oauthlib over oauthlib: the backend application client and, for the flow of their schema, the legacy one."""
import unittest

from oauthlib.oauth2 import BackendApplicationClient, LegacyApplicationClient
from oauthlib.oauth2.rfc6749.errors import InvalidClientError, InvalidScopeError, OAuth2Error
from requests_oauthlib import OAuth2Session

from support import CLIENT, SECRET, TOKEN, Suite, claims


class RequestsOauthlib(Suite, unittest.TestCase):
    def client(self, client_id=CLIENT, include_client_id=None, **given):
        session = OAuth2Session(client=BackendApplicationClient(client_id=client_id, scope=given.pop("scope", None)))
        session.fetch_token(TOKEN, client_id=client_id, client_secret=SECRET, include_client_id=include_client_id, **given)
        return session

    def test_credentials_in_the_form(self):
        session = OAuth2Session(client=BackendApplicationClient(client_id=CLIENT))
        token = session.fetch_token(TOKEN, client_secret=SECRET, include_client_id=True)
        self.assertIn("access_token", token)

    def test_the_password_flow_of_their_schema(self):
        session = OAuth2Session(client=LegacyApplicationClient(client_id=CLIENT))
        token = session.fetch_token(TOKEN, username=CLIENT, password=SECRET, client_id=CLIENT, client_secret=SECRET)
        self.assertEqual(claims(token["access_token"])["sub"], CLIENT)

    def test_scopes(self):
        self.assertEqual(self.client(scope=["business:read"]).token["scope"], ["business:read"])

    def test_errors_are_understood(self):
        for given, error in [({"client_id": "nobody"}, InvalidClientError), ({"scope": ["ledger:read"]}, InvalidScopeError)]:
            with self.assertRaises(error) as raised:
                self.client(**given)
            self.assertTrue(raised.exception.description)
        with self.assertRaises(OAuth2Error) as raised:
            self.client(business_id="biz_0")
        self.assertEqual(raised.exception.error, "invalid_request")


if __name__ == "__main__":
    unittest.main()
