"""A directory on a loopback port: `slapd` of OpenLDAP, with an overlay that tells the groups of people."""

import shutil
import subprocess
import tempfile
from contextlib import contextmanager
from dataclasses import dataclass
from pathlib import Path

import serving
import waiting

SLAPD = shutil.which("slapd", path="/usr/sbin:/usr/local/sbin:/usr/bin") or "slapd"
BASE = "dc=example,dc=com"
SEARCHER = f"cn=searcher,{BASE}"
SEARCHER_PASSWORD = "the-password-of-the-searcher"
PASSWORD = "a-password-of-the-directory"


@dataclass
class Directory:
    host: str
    port: int
    folder: Path
    process: subprocess.Popen

    def settings(self, **more: str) -> dict[str, str]:
        given = {
            "HOST": self.host,
            "PORT": str(self.port),
            "TLS_MODE": "none",
            "BIND_DN": SEARCHER,
            "BIND_PASSWORD": SEARCHER_PASSWORD,
            "USER_SEARCH_BASE_DNS": f'["ou=nobody,{BASE}", "ou=people,{BASE}"]',
            "USER_SEARCH_FILTER": "(&(objectClass=inetOrgPerson)(uid=%s))",
            "GROUP_ROLE_MAPPINGS": f'[{{"group_dn": "CN=admins, ou=groups, {BASE}", "role": "ADMIN"}},'
            f' {{"group_dn": "cn=staff,ou=groups,{BASE}", "role": "MEMBER"}}]',
        }
        return {f"BENNU_LDAP_{name}": value for name, value in (given | more).items()}

    def change(self, ldif: str) -> None:
        command = ["ldapmodify", "-x", "-H", f"ldap://127.0.0.1:{self.port}", "-D", f"cn=root,{BASE}", "-w", "root"]
        subprocess.run(command, input=ldif, text=True, check=True, capture_output=True, timeout=30)


def person(uid: str, **more: str) -> str:
    attributes = {"cn": uid, "sn": uid, "mail": f"{uid}@example.com", "userPassword": PASSWORD} | more
    lines = [f"{name}: {value}" for name, value in attributes.items() if value]
    return "\n".join([f"dn: uid={uid},ou=people,{BASE}", "objectClass: inetOrgPerson", f"uid: {uid}", *lines]) + "\n"


def group(name: str, *uids: str) -> str:
    members = "".join(f"member: uid={uid},ou=people,{BASE}\n" for uid in uids)
    return f"dn: cn={name},ou=groups,{BASE}\nobjectClass: groupOfNames\ncn: {name}\n{members}"


CONTENT = "\n".join(
    [
        f"dn: {BASE}\nobjectClass: dcObject\nobjectClass: organization\no: Example\ndc: example\n",
        f"dn: ou=people,{BASE}\nobjectClass: organizationalUnit\nou: people\n",
        f"dn: ou=groups,{BASE}\nobjectClass: organizationalUnit\nou: groups\n",
        f"dn: {SEARCHER}\nobjectClass: organizationalRole\nobjectClass: simpleSecurityObject\ncn: searcher\n"
        f"userPassword: {SEARCHER_PASSWORD}\n",
        person("ada", displayName="Ada Lovelace"),
        person("grace"),
        person("alan"),
        person("nomail", mail=""),
        person("root", mail="admin@localhost"),
        person("twin", mail="one@example.com"),
        person("parens(x)", mail="parens@example.com"),
        f"dn: cn=twins,ou=people,{BASE}\nobjectClass: inetOrgPerson\ncn: twins\nsn: x\nuid: twin\n"
        f"mail: two@example.com\nuserPassword: {PASSWORD}\n",
        group("admins", "ada"),
        group("staff", "ada", "grace", "nomail", "root", "twin", "parens(x)"),
        f"dn: cn=posix,ou=groups,{BASE}\nobjectClass: posixGroup\ncn: posix\ngidNumber: 1\nmemberUid: alan\n",
    ]
)


@contextmanager
def directory():
    with tempfile.TemporaryDirectory(prefix="slapd-", ignore_cleanup_errors=True) as name:
        folder = Path(name)
        certificates(folder)
        (folder / "data").mkdir()
        (folder / "slapd.conf").write_text(configuration(folder))
        (folder / "content.ldif").write_text(CONTENT)
        conf = ["-f", str(folder / "slapd.conf")]
        port = serving.free_port()
        with (folder / "slapd.log").open("wb") as log:
            command = [SLAPD, *conf, "-h", f"ldap://127.0.0.1:{port}", "-d", "0"]
            process = subprocess.Popen(command, stdout=log, stderr=log)
        try:
            waiting.until(lambda: answers(port), "the directory answers", seconds=30)
            # By the server, so that the overlay sees who becomes a member.
            add = ["ldapadd", "-x", "-H", f"ldap://127.0.0.1:{port}", "-D", f"cn=root,{BASE}", "-w", "root"]
            subprocess.run([*add, "-f", folder / "content.ldif"], check=True, capture_output=True, timeout=60)
            yield Directory("127.0.0.1", port, folder, process)
        finally:
            serving.stop(process)


def answers(port: int) -> bool:
    probe = ["ldapsearch", "-x", "-H", f"ldap://127.0.0.1:{port}", "-s", "base", "-b", "", "1.1"]
    return subprocess.run(probe, capture_output=True, timeout=30).returncode == 0


def configuration(folder: Path) -> str:
    schemas = "\n".join(f"include /etc/ldap/schema/{name}.schema" for name in ("core", "cosine", "nis", "inetorgperson"))
    return f"""{schemas}
modulepath /usr/lib/ldap
moduleload back_mdb
moduleload memberof
pidfile {folder}/slapd.pid
TLSCACertificateFile {folder}/authority.pem
TLSCertificateFile {folder}/server.pem
TLSCertificateKeyFile {folder}/server.key
database mdb
maxsize 10485760
suffix "{BASE}"
rootdn "cn=root,{BASE}"
rootpw root
directory {folder}/data
overlay memberof
access to attrs=userPassword by anonymous auth by * none
access to * by dn.exact="{SEARCHER}" read by self read by * none
"""


def certificates(folder: Path) -> None:
    """Of an authority of our own, for 127.0.0.1 and localhost."""

    def openssl(*arguments: str) -> None:
        subprocess.run(["openssl", *arguments], check=True, capture_output=True, timeout=60, cwd=folder)

    key = ("-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2")
    openssl(
        "req", "-x509", *key, "-keyout", "authority.key", "-out", "authority.pem", "-subj", "/CN=Authority of the tests",
        "-addext", "basicConstraints=critical,CA:TRUE",
    )
    openssl("req", *key[:-2], "-keyout", "server.key", "-out", "server.csr", "-subj", "/CN=localhost")
    (folder / "names").write_text("subjectAltName=DNS:localhost,IP:127.0.0.1\nextendedKeyUsage=serverAuth\n")
    openssl(
        "x509", "-req", "-in", "server.csr", "-CA", "authority.pem", "-CAkey", "authority.key", "-CAcreateserial",
        "-days", "2", "-extfile", "names", "-out", "server.pem",
    )
