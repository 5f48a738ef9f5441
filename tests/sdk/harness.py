"""What the runners of the vendors' SDKs share: environments for suites, certificates, the real binary, and running a suite against it.

Only the standard library is used here. What the suites need is installed into `target` and beside their lock files; loopback is all they talk to.
"""
import contextlib
import hashlib
import os
import pathlib
import re
import socket
import subprocess
import sys
import tempfile
import time

ROOT = pathlib.Path(__file__).resolve().parents[2]
TARGET = ROOT / "target" / "sdk"
BINARY = pathlib.Path(os.environ.get("PASSLINK_BINARY", ROOT / "target" / "debug" / "passlink"))
PATIENCE = 30


def command(*words, **options):
    subprocess.run([str(word) for word in words], check=True, **options)


# What suites need, and how they are run: a command and its folder.

def node(folder):
    command("npm", "ci", "--no-audit", "--no-fund", "--loglevel=error", cwd=folder)
    return ["node", "--test", "--test-reporter=spec", "--test-timeout=120000"], folder


def python(folder, name):
    """An environment of its own; made anew when what it holds changes, or the Python."""
    wanted, environment = folder / "requirements.txt", TARGET / name
    stamp = environment / "made-of.sha256"
    digest = hashlib.sha256(sys.version.encode() + wanted.read_bytes()).hexdigest()
    if not stamp.exists() or stamp.read_text() != digest:
        command(sys.executable, "-m", "venv", "--clear", environment)
        command(environment / "bin" / "pip", "install", "--quiet", "--require-hashes", "--only-binary=:all:", "-r", wanted)
        stamp.write_text(digest)
    return [str(environment / "bin" / "python"), "-B", "-m", "unittest", "-v"], folder


# The server.

def make_certificates(folder):
    """An authority and a certificate of the server; with all extensions that Python 3.13 asks for."""
    (folder / "openssl.cnf").write_text(
        "[req]\ndistinguished_name = name\nprompt = no\n[name]\nCN = Passlink test\n"
        "[authority]\nbasicConstraints = critical, CA:true\nkeyUsage = critical, keyCertSign, cRLSign\nsubjectKeyIdentifier = hash\n"
        "[server]\nbasicConstraints = critical, CA:false\nkeyUsage = critical, digitalSignature\nextendedKeyUsage = serverAuth\n"
        "subjectKeyIdentifier = hash\nauthorityKeyIdentifier = keyid\nsubjectAltName = DNS:localhost, IP:127.0.0.1\n"
    )
    common = ["openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "2", "-config", "openssl.cnf"]
    quiet = {"cwd": folder, "stderr": subprocess.DEVNULL}
    command(*common, "-extensions", "authority", "-subj", "/CN=Passlink test authority", "-keyout", "authority.key", "-out", "authority.pem", **quiet)
    signed_by = ["-CA", "authority.pem", "-CAkey", "authority.key"]
    command(*common, "-extensions", "server", "-subj", "/CN=localhost", *signed_by, "-keyout", "server.key", "-out", "server.pem", **quiet)


def free_port():
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        return listener.getsockname()[1]


def server_section(folder, origin, port, secret):
    """The configuration of the server itself; apps and senders are each vendor's."""
    tls = f'tls_certificate_file = "{folder}/server.pem"\ntls_key_file = "{folder}/server.key"\n' if origin.startswith("https") else ""
    return (
        f'[server]\nlisten = "127.0.0.1:{port}"\npublic_origin = "{origin}"\nsecret = "{secret}"\ndata = "{folder}/data"\n{tls}'
        f'[database]\nurl = "sqlite:{folder}/passlink.db"\n'
    )


@contextlib.contextmanager
def server(configuration, origin, folder):
    """The real binary; ended by its id."""
    environment = {name: value for name, value in os.environ.items() if not name.startswith("PASSLINK_")}
    with open(folder / "log", "wb") as log:
        process = subprocess.Popen([BINARY, "serve", "--config", configuration], stdin=subprocess.DEVNULL, stdout=log, stderr=log, env=environment)
    try:
        wait(process, origin, folder)
        yield
        process.terminate()
        code = process.wait(PATIENCE)
        if code != 0:
            raise SystemExit(f"the server ended with {code}:\n{(folder / 'log').read_text()}")
    finally:
        if process.poll() is None:
            process.kill()
            process.wait()


def wait(process, origin, folder):
    """By its port only: whether certificates are believed is for the SDKs to find out."""
    port = int(origin.rsplit(":", 1)[1])
    end = time.monotonic() + PATIENCE
    while process.poll() is None and time.monotonic() < end:
        with contextlib.suppress(OSError), socket.create_connection(("127.0.0.1", port), 1):
            return
        time.sleep(0.02)
    raise SystemExit(f"the server did not start:\n{(folder / 'log').read_text()}")


def run(name, scheme, suite, prepare):
    """One suite over one scheme. `prepare(folder, origin, port)` writes the configuration and answers its file, what the suite finds in its environment, and what must run beside the server."""
    words, where = suite
    with tempfile.TemporaryDirectory(prefix="passlink-sdk-") as temporary:
        folder, port = pathlib.Path(temporary), free_port()
        origin = f"{scheme}://localhost:{port}" if scheme == "https" else f"{scheme}://127.0.0.1:{port}"
        # Ours are configuration to the binary, which suites may run too.
        environment = {name: value for name, value in os.environ.items() if not name.startswith("PASSLINK_")}
        # Proxies and authorities of the machine must not decide what is proven here.
        for variable in ("REQUESTS_CA_BUNDLE", "CURL_CA_BUNDLE", "SSL_CERT_FILE", "SSL_CERT_DIR", "NODE_EXTRA_CA_CERTS"):
            environment.pop(variable, None)
        environment.update(NO_PROXY="localhost,127.0.0.1", no_proxy="localhost,127.0.0.1")
        if scheme == "https":
            make_certificates(folder)
            authority = str(folder / "authority.pem")
            # Node reads the first. Python reads the second for calls and the third for keys and for asynchronous clients. Rust reads the third.
            environment.update(NODE_EXTRA_CA_CERTS=authority, REQUESTS_CA_BUNDLE=authority, SSL_CERT_FILE=authority)
        configuration, given, beside = prepare(folder, origin, port)
        environment.update(given, SDK_URL=origin)
        print(f"\n-- {name} over {scheme}", flush=True)
        with beside, server(configuration, origin, folder):
            done = subprocess.run(words, cwd=where, env=environment, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True, timeout=300)
        complaints = [line for line in (folder / "log").read_text().splitlines() if '"ERROR"' in line or "panicked" in line]
    verbose = done.returncode != 0 or "SDK_VERBOSE" in os.environ
    print(done.stdout if verbose else closing(done.stdout), flush=True)
    for line in complaints:
        print(f"the server complained: {line}")
    return done.returncode == 0 and not complaints


def closing(output):
    """What the suite's own runner says at the end."""
    plain = re.sub(r"\x1b\[[0-9;]*m", "", output)
    lines = [line for line in plain.splitlines() if re.match(r"(ℹ (tests|pass|fail|skipped|todo) |Ran \d+ tests|OK|FAILED|test result: )", line)]
    return "\n".join(lines)


def main(words, suites, prepare):
    """Runs the suites and schemes that `words` name, or all."""
    if sys.version_info < (3, 11):
        raise SystemExit("Python 3.11 or newer is needed")
    if not BINARY.exists():
        raise SystemExit(f"build the server first: cargo build -p passlink-server ({BINARY} is missing)")
    names = [word for word in words if word in suites] or list(suites)
    schemes = [word for word in words if word in ("http", "https")] or ["http", "https"]
    TARGET.mkdir(parents=True, exist_ok=True)
    failed = []
    for name in names:
        suite = suites[name]()
        failed += [f"{name} over {scheme}" for scheme in schemes if not run(name, scheme, suite, prepare)]
    print(f"\nfailed: {', '.join(failed)}" if failed else f"\nall of them: {', '.join(names)} over {' and '.join(schemes)}")
    return 1 if failed else 0
