"""The package within Django: its backend, its views, and its authentication for the REST framework."""
import contextlib
import io
import unittest

from support import address, by_mail, server_call, signed_in  # first: it sets Django up
from django.contrib.auth import authenticate, get_user_model
from django.test import Client
from rest_framework.permissions import IsAuthenticated
from rest_framework.response import Response
from rest_framework.test import APIRequestFactory
from rest_framework.views import APIView
from rownd_django.auth import client
from rownd_django.auth.backend import RowndAuthenticationBackend

User = get_user_model()


def silently(call):
    """The backend prints what it did not like."""
    with contextlib.redirect_stdout(io.StringIO()):
        return call()


class Backend(unittest.TestCase):
    def test_a_stranger_becomes_a_user_with_the_names_of_the_profile(self):
        email = address()
        session = by_mail(email, first_name="Ada", last_name="Lovelace")
        user = authenticate(None, token=session["access_token"])
        self.assertEqual((user.username, user.email, user.first_name, user.last_name), (session["app_user_id"], email, "Ada", "Lovelace"))
        self.assertEqual(authenticate(None, token=by_mail(email)["access_token"]), user)
        self.assertEqual(RowndAuthenticationBackend().get_user(user.pk), user)
        self.assertIsNone(RowndAuthenticationBackend().get_user(0))

    def test_names_that_are_not_known_are_empty(self):
        session = by_mail()
        user = authenticate(None, token=session["access_token"])
        self.assertEqual((user.first_name, user.last_name), ("", ""))

    def test_somebody_without_an_address_is_known_by_the_id(self):
        session = signed_in(verification_type="phone", data={"phone": "+12025550188"})
        self.assertEqual(authenticate(None, token=session["access_token"]).email, session["app_user_id"])

    def test_a_user_that_django_has_is_found_by_the_address(self):
        email = address()
        known = User.objects.create(username="ada", email=email)
        self.assertEqual(authenticate(None, token=by_mail(email)["access_token"]), known)

    def test_bad_tokens_and_users_that_are_gone_are_nobody(self):
        self.assertIsNone(silently(lambda: authenticate(None, token="nonsense")))
        session = by_mail()
        app = client.RowndAppConfig().config["app"]["id"]
        gone = server_call("DELETE", f"/applications/{app}/users/{session['app_user_id']}/data")
        self.assertEqual(gone.status_code, 204)
        self.assertIsNone(silently(lambda: authenticate(None, token=session["access_token"])))


class Views(unittest.TestCase):
    def test_a_session_begins_and_ends(self):
        browser, session = Client(), by_mail()
        headers = {"HTTP_AUTHORIZATION": f"Bearer {session['access_token']}"}
        answer = browser.post("/session_authenticate", **headers)
        self.assertEqual(answer.status_code, 200)
        self.assertIn(b"Authentication successful", answer.content)
        self.assertIn(b"Already authenticated", browser.post("/session_authenticate", **headers).content)
        self.assertEqual(browser.post("/session_sign_out").status_code, 200)
        self.assertIn(b"Authentication successful", browser.post("/session_authenticate", **headers).content)

    def test_nobody_is_refused(self):
        self.assertEqual(Client().post("/session_authenticate").status_code, 401)
        self.assertEqual(silently(lambda: Client().post("/session_authenticate", HTTP_AUTHORIZATION="Bearer nonsense")).status_code, 401)


class Example(APIView):
    permission_classes = [IsAuthenticated]

    def get(self, request):
        return Response({"user": request.user.username})


class RestFramework(unittest.TestCase):
    def ask(self, header):
        return Example.as_view()(APIRequestFactory().get("/", HTTP_AUTHORIZATION=header))

    def test_a_request_with_a_token_is_somebodys(self):
        session = by_mail()
        answer = self.ask(f"Bearer {session['access_token']}")
        self.assertEqual((answer.status_code, answer.data), (200, {"user": session["app_user_id"]}))

    def test_a_request_without_one_is_nobodys(self):
        for header in ("Bearer nonsense", "nonsense"):
            self.assertIn(self.ask(header).status_code, (401, 403), header)
