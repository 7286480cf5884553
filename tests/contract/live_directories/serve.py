#!/usr/bin/env python3
"""Runs the directory servers of the contract tests, each once for all test processes.

    serve.py certificates FOLDER  makes the certificates alone
    serve.py provision FOLDER     makes the snapshot of the Samba domain, as root
    serve.py slapd FOLDER         runs slapd until no test uses it
    serve.py samba FOLDER         runs a domain controller of Samba until no test uses it

A test holds a shared lock on FOLDER/SERVER.use, and starts a server that FOLDER/SERVER.json does not name. Samba can't
listen on other ports than 389 and 636, so it runs in a network namespace of its own, beside a relay whose listening
sockets were opened outside. Provisioning needs root; a snapshot runs as any user who may create namespaces.
"""

import asyncio
import base64
import fcntl
import hashlib
import inspect
import json
import os
import shutil
import signal
import socket
import ssl
import subprocess
import sys
import tarfile
import time
from pathlib import Path

HERE = Path(__file__).resolve()
# Seconds without a test before a server ends, and the longest time that a server may take to start.
IDLE = 15
START = 120
ADMIN_PASSWORD = "Adm1n-Passw0rd!"
SERVICE_PASSWORD = "Serv1ce-Passw0rd!"
CROWD = 1200
DOMAIN = "DC=uni,DC=test"
# In units of 100 ns.
DAY = 86_400 * 10_000_000
HALF_HOUR = 1800 * 10_000_000
DOMAIN_CHANGES = f"""dn: {DOMAIN}
changetype: modify
""" + "-\n".join(f"replace: {name}\n{name}: {value}\n" for name, value in {
    "minPwdLength": 10, "pwdHistoryLength": 3, "minPwdAge": 0, "maxPwdAge": -180 * DAY, "lockoutThreshold": 5,
    "lockoutDuration": -HALF_HOUR, "lockOutObservationWindow": -HALF_HOUR}.items())


def run(*command, **more):
    done = subprocess.run(command, capture_output=True, text=True, **more)
    # ldbadd reports some errors with the exit status 0.
    if done.returncode != 0 or " ERR: " in done.stdout + done.stderr:
        sys.exit(f"{' '.join(map(str, command[:4]))}: {done.stdout[-2000:]}{done.stderr[-2000:]}")
    return done.stdout


def need(*programs):
    path = os.environ.get("PATH", "") + ":/usr/sbin:/sbin"
    for program in programs:
        if not shutil.which(program, path=path):
            sys.exit(f"{program} is missing. tests/run installs it.")
    os.environ["PATH"] = path


def certificates(folder):
    """Makes a CA with the servers' certificate, and a CA that signed nothing."""
    made = folder / "certificates"
    if (made / "cert.pem").exists():
        return made
    need("openssl")
    work = folder / f"certificates.{os.getpid()}"
    work.mkdir(parents=True)
    for name in ["ca", "other-ca"]:
        run("openssl", "req", "-x509", "-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:P-256", "-nodes", "-days", "3650",
            "-subj", f"/CN={name}", "-keyout", work / f"{name}.key", "-out", work / f"{name}.pem")
    (work / "names").write_text(
        "basicConstraints=CA:FALSE\nextendedKeyUsage=serverAuth\n"
        "subjectAltName=DNS:localhost,DNS:dc1.uni.test,IP:127.0.0.1,IP:127.0.0.2\n")
    run("openssl", "req", "-newkey", "rsa:2048", "-nodes", "-subj", "/CN=dc1.uni.test",
        "-keyout", work / "key.pem", "-out", work / "request.pem")
    run("openssl", "x509", "-req", "-in", work / "request.pem", "-CA", work / "ca.pem", "-CAkey", work / "ca.key",
        "-CAcreateserial", "-days", "3650", "-extfile", work / "names", "-out", work / "cert.pem")
    # Samba refuses a key that others may read.
    (work / "key.pem").chmod(0o600)
    try:
        work.rename(made)
    except OSError:
        shutil.rmtree(work)
    return made


def snapshot(folder):
    """Returns the path of the snapshot that fits the code below and the installed Samba."""
    parts = [run("samba", "--version"), domain_entries(), DOMAIN_CHANGES, inspect.getsource(provision)]
    kind = hashlib.sha256("".join(parts).encode()).hexdigest()[:16]
    return folder / f"samba-{kind}.tar"


def entry(name, kind, **attributes):
    lines = [f"dn: {name},{DOMAIN}", f"objectClass: {kind}"]
    for attribute, value in attributes.items():
        # Octets stand in base64, behind two colons.
        lines.append(f"{attribute.replace('_', '-')}:" + (f": {base64.b64encode(value).decode()}"
                                                          if isinstance(value, bytes) else f" {value}"))
    return "\n".join(lines) + "\n"


def domain_entries():
    """Returns the entries of the domain, besides those that each test makes for itself."""
    service = lambda name: entry(f"CN={name},OU=Services", "user", sAMAccountName=name, userAccountControl=66048,
                                 clearTextPassword=SERVICE_PASSWORD.encode("utf-16-le"))
    group = lambda name, **more: entry(f"CN={name},OU=Groups", "group", sAMAccountName=name, **more)
    entries = [entry(f"OU={name}", "organizationalUnit")
               for name in ["People", "Elsewhere", "Groups", "Services", "Crowd,OU=Elsewhere"]]
    entries += [service("svc-read"), service("svc-write")]
    entries += [group("Nested"), group("Denied", member=f"CN=Nested,OU=Groups,{DOMAIN}"), group("Staff")]
    entries.append(entry(
        "CN=staff,CN=Password Settings Container,CN=System", "msDS-PasswordSettings",
        msDS_PasswordSettingsPrecedence=1, msDS_PasswordReversibleEncryptionEnabled="FALSE",
        msDS_PasswordHistoryLength=3, msDS_PasswordComplexityEnabled="TRUE", msDS_MinimumPasswordLength=16,
        msDS_MinimumPasswordAge=0, msDS_MaximumPasswordAge=-180 * DAY, msDS_LockoutThreshold=3,
        msDS_LockoutObservationWindow=-HALF_HOUR, msDS_LockoutDuration=-HALF_HOUR,
        msDS_PSOAppliesTo=f"CN=Staff,OU=Groups,{DOMAIN}"))
    entries += [entry(f"CN=Crowd {n},OU=Crowd,OU=Elsewhere", "user", sAMAccountName=f"crowd{n}",
                      displayName=f"Person {n} of the crowd", mail=f"crowd{n}@uni.test", userAccountControl=546)
                for n in range(CROWD)]
    return "\n".join(entries)


def provision(folder):
    need("samba", "samba-tool", "ldbadd")
    folder.mkdir(parents=True, exist_ok=True)
    made = snapshot(folder)
    if made.exists():
        return
    if os.geteuid() != 0:
        sys.exit(f"Provisioning a Samba domain needs root. Run once: sudo {HERE} provision {folder}")
    work = folder / "provision"
    shutil.rmtree(work, ignore_errors=True)
    for name in ["etc", "log", "run", "ncalrpc"]:
        (work / name).mkdir(parents=True)
    (work / "in.conf").write_text(f"""[global]
  netbios name = DC1
  interfaces = 127.0.0.1/8
  bind interfaces only = yes
  server services = ldap
  logging = file
  log file = {work}/log/samba.log
  pid directory = {work}/run
  ncalrpc dir = {work}/ncalrpc
  disable netbios = yes
  tls keyfile = {work}/tls/key.pem
  tls certfile = {work}/tls/cert.pem
  tls cafile = {work}/tls/ca.pem
""")
    run("samba-tool", "domain", "provision", "-s", work / "in.conf", f"--targetdir={work}", "--realm=UNI.TEST",
        "--domain=UNI", "--server-role=dc", "--dns-backend=NONE", f"--adminpass={ADMIN_PASSWORD}", "--host-name=dc1",
        "--host-ip=127.0.0.1")
    # Provisioning drops this option. Without it the password before the last one binds for an hour.
    conf = work / "etc/smb.conf"
    conf.write_text(conf.read_text().replace("[global]", "[global]\n\told password allowed period = 0", 1))
    database = work / "private/sam.ldb"
    run("ldbadd", "-H", database, input=domain_entries())
    run("ldbmodify", "-H", database, input=DOMAIN_CHANGES)
    found = run("ldbsearch", "-H", database, "(sAMAccountName=svc-*)", "objectSid", "sAMAccountName").splitlines()
    values = lambda name: [line.split()[1] for line in found if line.startswith(f"{name}:")]
    sids = dict(zip(values("sAMAccountName"), values("objectSid")))
    user = "bf967aba-0de6-11d0-a285-00aa003049e2"
    rights = {
        # infra/guides/active-directory.md: the right to reset passwords, and to write lockoutTime.
        "OU=People": f"(OA;CIIO;CR;00299570-246d-11d0-a768-00aa006e0529;{user};{sids['svc-write']})"
                     f"(OA;CIIO;RPWP;28630ebf-41d5-11d1-a9c1-0000f80367c1;{user};{sids['svc-write']})",
        # By default only administrators read fine-grained policies.
        "CN=Password Settings Container,CN=System": "".join(f"(A;CI;LCRPLORC;;;{sid})" for sid in sids.values()),
    }
    for name, entries in rights.items():
        run("samba-tool", "dsacl", "set", "-s", conf, "-H", database, f"--objectdn={name},{DOMAIN}",
            f"--sddl={entries}")
    unfinished = made.with_suffix(".unfinished")
    with tarfile.open(unfinished, "w") as tar:
        tar.add(work, "domain")
    (folder / "provisioned-in").write_text(str(work))
    owner = folder.stat()
    for path in [unfinished, folder / "provisioned-in"]:
        os.chown(path, owner.st_uid, owner.st_gid)
    unfinished.rename(made)
    shutil.rmtree(work)


def listening():
    listener = socket.create_server(("127.0.0.1", 0), backlog=128)
    return listener, listener.getsockname()[1]


def namespace():
    """Returns the command that runs another one in a network of its own."""
    for command in [["unshare", "--net"], ["unshare", "--map-root-user", "--net"]]:
        if subprocess.run([*command, "true"], capture_output=True).returncode == 0:
            return command
    sys.exit("Samba needs a network namespace, and this user may create none. Run the tests as root, or allow it:\n"
             "  sudo sysctl kernel.unprivileged_userns_clone=1                  (Debian)\n"
             "  sudo sysctl kernel.apparmor_restrict_unprivileged_userns=0      (Ubuntu)")


def start_samba(folder, own):
    need("samba", "unshare", "ip")
    provision(folder)
    with tarfile.open(snapshot(folder)) as tar:
        tar.extractall(own, filter="fully_trusted") if sys.version_info >= (3, 12) else tar.extractall(own)
    conf = own / "domain/etc/smb.conf"
    conf.write_text(conf.read_text().replace((folder / "provisioned-in").read_text(), str(own / "domain")))
    shutil.copytree(certificates(folder), own / "domain/tls", dirs_exist_ok=True)
    (own / "domain/tls/key.pem").chmod(0o600)
    (ldap, ldap_port), (ldaps, ldaps_port) = listening(), listening()
    for listener in [ldap, ldaps]:
        listener.set_inheritable(True)
    process = subprocess.Popen(
        [*namespace(), sys.executable, HERE, "inside", own, str(ldap.fileno()), str(ldaps.fileno())],
        stdin=subprocess.PIPE, close_fds=False, start_new_session=True)
    return process, {"ldap": ldap_port, "ldaps": ldaps_port}


def inside(own, ldap, ldaps):
    """Runs in the namespace: the domain controller, and the relay to it. Both end with the standard input."""
    run("ip", "link", "set", "lo", "up")
    samba = subprocess.Popen(
        ["samba", "-i", "-M", "single", "-s", own / "domain/etc/smb.conf", "--maximum-runtime=7200"],
        stdin=subprocess.PIPE)

    async def relay(port, reader, writer):
        try:
            there, back = await asyncio.open_connection("127.0.0.1", port)
        except OSError:
            writer.close()
            return

        async def copy(source, target):
            try:
                while data := await source.read(65536):
                    target.write(data)
                    await target.drain()
            except OSError:
                pass
            target.close()

        await asyncio.gather(copy(reader, back), copy(there, writer))

    async def serve():
        for number, port in [(ldap, 389), (ldaps, 636)]:
            listener = socket.socket(fileno=int(number))
            listener.setblocking(False)
            await asyncio.start_server(lambda r, w, port=port: relay(port, r, w), sock=listener)
        loop = asyncio.get_running_loop()
        await loop.run_in_executor(None, sys.stdin.buffer.read)

    asyncio.run(serve())
    samba.kill()
    os._exit(0)


def start_slapd(folder, own):
    need("slapd", "slapadd")
    tls = certificates(folder)
    config = own / "slapd.conf"
    config.write_text((HERE.parent / "slapd.conf").read_text()
                      .replace("@OWN@", str(own)).replace("@TLS@", str(tls)))
    (own / "data").mkdir()
    run("slapadd", "-q", "-f", config, "-l", HERE.parent / "slapd.ldif")
    ldap, ldap_port = listening()
    ldaps, ldaps_port = listening()
    ldap.close()
    ldaps.close()
    process = subprocess.Popen(
        ["slapd", "-f", config, "-h", f"ldap://127.0.0.1:{ldap_port} ldaps://127.0.0.1:{ldaps_port}", "-d", "0"],
        stdin=subprocess.DEVNULL, start_new_session=True)
    return process, {"ldap": ldap_port, "ldaps": ldaps_port}


def is_ready(port, ca):
    context = ssl.create_default_context(cafile=ca)
    try:
        with socket.create_connection(("127.0.0.1", port), timeout=2) as plain:
            with context.wrap_socket(plain, server_hostname="127.0.0.1"):
                return True
    except OSError:
        return False


def serve(kind, folder):
    folder.mkdir(parents=True, exist_ok=True)
    own, named = folder / f"{kind}.{os.getpid()}", folder / f"{kind}.json"
    for old in folder.glob(f"{kind}.*[0-9]"):
        if old.is_dir():
            shutil.rmtree(old, ignore_errors=True)
    own.mkdir()
    process, ports = {"slapd": start_slapd, "samba": start_samba}[kind](folder, own)
    ended = lambda: process.poll() is not None

    def stop(*_):
        if process.stdin:
            process.stdin.close()
        if not ended():
            try:
                process.wait(3 if process.stdin else 0.01)
            except subprocess.TimeoutExpired:
                os.killpg(process.pid, signal.SIGTERM)
                process.wait(10)
        shutil.rmtree(own, ignore_errors=True)

    for ending in [signal.SIGTERM, signal.SIGINT]:
        signal.signal(ending, lambda *_: (named.unlink(missing_ok=True), stop(), os._exit(1)))
    deadline = time.monotonic() + START
    while not is_ready(ports["ldaps"], certificates(folder) / "ca.pem"):
        if ended() or time.monotonic() > deadline:
            stop()
            sys.exit(f"{kind} did not start; see the lines above")
        time.sleep(0.05)
    using = open(folder / f"{kind}.use", "a")
    unfinished = folder / f"{kind}.json.{os.getpid()}"
    unfinished.write_text(json.dumps(ports))
    unfinished.rename(named)
    idle = 0
    while not ended():
        time.sleep(1)
        try:
            fcntl.flock(using, fcntl.LOCK_EX | fcntl.LOCK_NB)
        except BlockingIOError:
            idle = 0
            continue
        idle += 1
        if idle >= IDLE:
            break
        fcntl.flock(using, fcntl.LOCK_UN)
    # Under the exclusive lock, unless the server ended by itself: no test relies on a server that ends.
    named.unlink(missing_ok=True)
    stop()


if __name__ == "__main__":
    match sys.argv[1:]:
        case ["provision", folder]:
            provision(Path(folder).resolve())
        case ["certificates", folder]:
            certificates(Path(folder).resolve())
        case ["inside", own, ldap, ldaps]:
            inside(Path(own), ldap, ldaps)
        case [("slapd" | "samba") as kind, folder]:
            serve(kind, Path(folder).resolve())
        case _:
            sys.exit(__doc__)
