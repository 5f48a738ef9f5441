"""What both suites do with a client that has a session of its library."""
import base64
import itertools
import json
import os
import time
from urllib.parse import parse_qs, urlsplit

import requests
from joserfc import jwt
from joserfc.jwk import KeySet

URL, CLIENT, SECRET = os.environ["SDK_URL"], os.environ["SDK_CLIENT"], os.environ["SDK_SECRET"]
TOKEN = f"{URL}/v0/auth/token"
NUMBERS = itertools.count(1)
NOBODY = "biz_1BoatSLRHtKNngkdXEeobR"


def claims(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def business(**more):
    number = next(NUMBERS)
    fields = dict(name=f"Shop {number}", entity_type="llc", entries_start="2026-01-01T00:00:00Z", fiscal_year="12/31", external_id=f"shop-{number}")
    return fields | more


class Suite:
    """Every operation, by a session that `client` makes and that has got its token. `fetch` asks for a token with what is given."""

    def client(self, **given):
        raise NotImplementedError

    def made(self, client, **more):
        answer = client.post(f"{URL}/v0/business", json=business(**more))
        self.assertEqual(answer.status_code, 201, answer.text)
        return answer.json()["data"]

    def test_the_expiry_is_understood(self):
        """expires_in is the moment of the end, as they document it; without expires_at both libraries would add it to now and never ask again."""
        token = self.client().token
        self.assertEqual(token["token_type"], "Bearer")
        self.assertEqual(token["expires_in"], token["expires_at"])
        self.assertTrue(0 < token["expires_at"] - time.time() <= 3600, token)
        # One library keeps the text, the other makes a list of it.
        scopes = token["scope"].split() if isinstance(token["scope"], str) else token["scope"]
        self.assertEqual(scopes, ["auth:create", "business:create", "business:read", "business:update"])
        self.assertEqual(claims(token["access_token"])["sub"], CLIENT)

    def test_businesses(self):
        client = self.client()
        one = self.made(client)
        self.assertRegex(one["id"], "^biz_[1-9A-HJ-NP-Za-km-z]{22}$")
        found = client.get(f"{URL}/v0/business/{one['id']}")
        self.assertEqual((found.status_code, found.json()["data"]), (200, one))
        changed = client.patch(f"{URL}/v0/business/{one['id']}", json={"name": "New", "status": "inactive"})
        self.assertEqual(changed.json()["data"], one | {"name": "New", "status": "inactive"})
        self.assertEqual(client.post(f"{URL}/v0/business", json=business(external_id=one["external_id"])).status_code, 422)
        ids, token = [], ""
        for _ in range(100):
            page = client.get(f"{URL}/v0/business", params={"page_size": 1, "page_token": token}).json()
            ids += [one["id"] for one in page["data"]]
            token = page["pagination"]["next_page_token"]
            if token is None:
                break
        self.assertEqual(ids, [one["id"] for one in client.get(f"{URL}/v0/business").json()["data"]])
        self.assertIn(one["id"], ids)

    def test_a_link_is_used_once_and_gives_a_session_of_the_business(self):
        client = self.client()
        shop = self.made(client)
        body = {"external_business_id": shop["external_id"], "path": "/reports", "email": "ada@example.com", "session_timeout": 600}
        made = client.post(f"{URL}/v0/auth/magic-link", json=body)
        self.assertEqual(made.status_code, 201, made.text)
        self.assertEqual(set(made.json()), {"data"})
        link = made.json()["data"]["magic_link"]
        self.assertTrue(link.startswith(f"{URL}/magic-link/reports?token="), link)
        with requests.Session() as browser:
            opened = browser.get(link, allow_redirects=False)
            self.assertEqual(opened.status_code, 303)
            target = urlsplit(opened.headers["location"])
            self.assertEqual((target.hostname, target.path), ("books.example.com", "/reports"))
            again = browser.get(link, allow_redirects=False)
            self.assertEqual(again.headers["location"], "https://books.example.com/?error=link_invalid")
            code = parse_qs(target.query)["code"][0]
            exchanged = client.post(f"{URL}/v0/auth/session", json={"code": code}).json()["data"]
            self.assertEqual(client.post(f"{URL}/v0/auth/session", json={"code": code}).status_code, 404)
            own = browser.get(f"{URL}/v0/auth/session")
            self.assertEqual(own.status_code, 200, own.text)
            data = own.json()["data"]
            self.assertEqual((data["business_id"], data["email"]), (shop["id"], "ada@example.com"))
            self.assertEqual(data, {name: exchanged[name] for name in data})
            bearer = {"authorization": f"Bearer {exchanged['session_token']}"}
            self.assertEqual(requests.delete(f"{URL}/v0/auth/session", headers=bearer).status_code, 204)
            self.assertEqual(browser.get(f"{URL}/v0/auth/session").status_code, 401)

    def test_refusals(self):
        client = self.client()
        shop = self.made(client)
        link = f"{URL}/v0/auth/magic-link"
        for body, status in [({}, 422), ({"business_id": shop["id"], "ttl": 16}, 422), ({"business_id": NOBODY}, 404), ({"business_id": "x"}, 422)]:
            answer = client.post(link, json=body)
            self.assertEqual((answer.status_code, set(answer.json())), (status, {"error", "data"}), answer.text)
            self.assertTrue(int(answer.headers["x-ratelimit-remaining"]) < 300)
        self.assertEqual(self.client(client_id="reader").post(link, json={"business_id": shop["id"]}).status_code, 403)
        self.assertEqual(self.client(client_id="stranger").post(link, json={"business_id": shop["id"]}).status_code, 404)
        confined = self.client(business_id=shop["id"])
        self.assertEqual(confined.post(link, json={"business_id": shop["id"]}).status_code, 201)
        self.assertEqual(confined.post(link, json={"business_id": self.made(client)["id"]}).status_code, 403)

    def test_the_token_is_signed_by_a_published_key(self):
        keys = KeySet.import_key_set(requests.get(f"{URL}/.well-known/jwks.json").json())
        read = jwt.decode(self.client().token["access_token"], keys, algorithms=["ES256"])
        self.assertEqual((read.claims["iss"], read.claims["aud"]), (URL, URL))
