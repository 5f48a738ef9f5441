"""The SDK as an app would make it, with its blocking and its asynchronous client, and a record of what was called."""
import asyncio
import base64
import itertools
import json
import os
import pathlib
import re
import time

import stytch
from stytch.core.response_base import StytchError

URL, PROJECT, SECRET = os.environ["SDK_URL"], os.environ["SDK_PROJECT"], os.environ["SDK_SECRET"]
MAIL = pathlib.Path(os.environ["SDK_MAIL"])
NOBODY = "user-test-11111111-1111-4111-8111-111111111111"
# `custom_base_url` is for https only.
WHERE = {"custom_base_url": URL} if URL.startswith("https") else {"environment": URL}
NUMBERS = itertools.count(1)


def header(jwt):
    return json.loads(base64.urlsafe_b64decode(jwt.split(".")[0] + "=="))


def address():
    return f"ada{next(NUMBERS)}@example.com"


class Tier:
    """What tests of either client use. `calls` are those that they must make."""

    calls = made = None

    @classmethod
    def setUpClass(cls):
        cls.made = set()
        cls.begin()
        cls.sdk = cls.client()

    @classmethod
    def tearDownClass(cls):
        cls.end()
        missing = [call for call in cls.calls if call not in cls.made]
        assert not missing, f"calls that no test makes: {missing}"

    @classmethod
    def client(cls, secret=SECRET, project=PROJECT):
        """A client as an app makes it, with empty caches."""
        return stytch.Client(project_id=project, secret=secret, **WHERE)

    def call(self, name, sdk=None, /, **given):
        """The SDK's own method of this name."""
        self.made.add(name)
        *rooms, method = name.split(".")
        target = sdk or self.sdk
        for room in rooms:
            target = getattr(target, room)
        return self.carry_out(target, method, given)

    def refused(self, status, error_type, name, sdk=None, /, **given):
        """The SDK's own error, with everything that it promises."""
        with self.assertRaises(StytchError) as caught:
            self.call(name, sdk, **given)
        details = caught.exception.details
        self.assertEqual((details.status_code, details.error_type), (status, error_type), details)
        self.assertGreater(len(details.error_message), 5)
        self.assertRegex(details.request_id, r"^request-id-test-[0-9a-f-]{36}$")
        self.assertTrue(details.error_url.endswith(f"#{error_type}"), details.error_url)

    def own(self, name):
        """An id that only this client's tests use."""
        return f"{type(self).__name__}|{name}"

    def link(self, user_id, **given):
        return self.call("magic_links.create", user_id=user_id, **given).token

    def signed_in(self, **given):
        """A new user, and a session of hers."""
        user_id = self.call("users.create", email=address()).user_id
        given.setdefault("session_duration_minutes", 60)
        return self.call("magic_links.authenticate", token=self.link(user_id), **given)

    def becomes(self, what):
        """Asks again and again until it is so: the server reads its keys anew every two seconds, and mails take a moment."""
        end = time.monotonic() + 20
        while not what():
            self.assertLess(time.monotonic(), end, "it does not happen")
            time.sleep(0.05)

    def mail(self, email, which=1):
        """The text of the first mail to an address, or a later one, as it arrived; see ../mail_server.py."""
        file = MAIL / email / f"{which}.txt"
        self.becomes(file.exists)
        return file.read_text()

    def mailed_token(self, email, which=1):
        return re.search(r"/v1/magic_links/redirect\?\S+&token=([\w-]{44})", self.mail(email, which))[1]

    def mailed_code(self, email, which=1):
        return re.search(r"\b\d{6}\b", self.mail(email, which))[0]


class Blocking:
    """The client that blocks."""

    @classmethod
    def begin(cls):
        pass

    end = begin

    def carry_out(self, target, method, given):
        result = getattr(target, method)(**given)
        return list(result) if method == "search_all" else result


class Asynchronous:
    """The client of the methods in `_async`."""

    @classmethod
    def begin(cls):
        cls.runner, cls.clients = asyncio.Runner(), []

    @classmethod
    def end(cls):
        for client in cls.clients:
            cls.runner.run(client.close())
        cls.runner.close()

    @classmethod
    def client(cls, **given):
        client = super().client(**given)
        cls.clients.append(client)
        return client

    def carry_out(self, target, method, given):
        async def done():
            result = getattr(target, f"{method}_async")(**given)
            return [page async for page in result] if method == "search_all" else await result

        return self.runner.run(done())
