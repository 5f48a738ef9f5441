"""A Django project with the vendor's package in it, as its README has it, and what the vendor's other SDKs do with a link."""
import itertools
import os

import django
import requests
from django.conf import settings

URL = os.environ["SDK_URL"]
KEY, SECRET = os.environ["SDK_KEY"], os.environ["SDK_SECRET"]
OTHER = (os.environ["SDK_OTHER_KEY"], os.environ["SDK_OTHER_SECRET"])
NUMBERS = itertools.count(1)

settings.configure(
    SECRET_KEY="for tests",
    INSTALLED_APPS=["django.contrib.auth", "django.contrib.contenttypes", "django.contrib.sessions", "rest_framework", "rownd_django"],
    MIDDLEWARE=["django.contrib.sessions.middleware.SessionMiddleware", "django.contrib.auth.middleware.AuthenticationMiddleware"],
    DATABASES={"default": {"ENGINE": "django.db.backends.sqlite3", "NAME": ":memory:"}},
    AUTHENTICATION_BACKENDS=["rownd_django.auth.backend.RowndAuthenticationBackend", "django.contrib.auth.backends.ModelBackend"],
    REST_FRAMEWORK={"DEFAULT_AUTHENTICATION_CLASSES": ["rownd_django.auth.backend.RowndApiAuthentication"]},
    ROOT_URLCONF="rownd_django.auth.urls",
    ROWND={"API_URL": URL, "APP_KEY": KEY, "APP_SECRET": SECRET},
    USE_TZ=True,
    ALLOWED_HOSTS=["testserver"],
)
# The package fetches the app's configuration here.
django.setup()

from django.core.management import call_command  # noqa: E402

call_command("migrate", verbosity=0)


def address():
    return f"ada{next(NUMBERS)}@example.org"


def server_call(method, path, key=KEY, secret=SECRET, **given):
    return requests.request(method, URL + path, headers={"x-rownd-app-key": key, "x-rownd-app-secret": secret}, timeout=30, **given)


def signed_in(key=KEY, secret=SECRET, **body):
    """Somebody who signed in by a link: what an app gets from it."""
    body = {"redirect_url": "https://app.example.com/in", **body}
    made = server_call("POST", "/hub/auth/magic", key, secret, json=body)
    assert made.status_code == 200, made.text
    redeemed = requests.get(made.json()["link"], headers={"user-agent": "Rownd SDK for Python tests"}, timeout=30)
    assert redeemed.status_code == 200, redeemed.text
    return redeemed.json()


def by_mail(email=None, **data):
    return signed_in(verification_type="email", data={"email": email or address(), **data})
