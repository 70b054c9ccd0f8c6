"""Rules about what stays at home."""

from __future__ import annotations

import base64
import subprocess
from pathlib import Path

import pytest

from scramjet_client.packages.ignore import (
    Rules,
    assigns_secret,
    holds_private_key,
    holds_secret,
    is_public,
    is_suspect,
)
from tests.support.waiting import LIMIT

PATHS = [
    "a.log", "b.txt", "a b.txt", "#note", "!bang", "x/a.log", "x/y/a.log", "x/keep.log", "x/b.txt", "build/out.o",
    "x/build/out.o", "x/y/z/deep.txt", "docs/a.md", "docs/sub/b.md", "file1", "file2", "file-", "filea",
    "star*name", "q?mark", "br[ack]", "data/raw/1.csv", "data/raw/keep.csv", "foo/bar/baz", "foo/baz", "trail ",
    "back\\slash", "ą/ę.txt", "x/foo/bar",
]  # fmt: skip

PATTERNS = [
    ["*.log"], ["/*.log"], ["*.log", "!keep.log"], ["build"], ["build/"], ["/build"], ["x/"], ["x/*"], ["x/**"],
    ["**/a.log"], ["x/**/a.log"], ["**/y/**"], ["foo/**/baz"], ["docs/*.md"], ["docs/**/*.md"], ["file[12]"],
    ["file[!12]"], ["file[^12]"], ["file[a-z]"], ["file[0-9-]"], ["file?"], [r"star\*name"], [r"q\?mark"],
    [r"br\[ack\]"], [r"\#note"], [r"\!bang"], ["#note"], ["a b.txt"], ["b.txt   "], ["trail\\ "], ["*"],
    ["*", "!*/", "!*.md"], ["data/raw/*", "!data/raw/keep.csv"], ["data/raw/", "!data/raw/keep.csv"], ["**"],
    ["/**"], ["foo/bar"], ["**/foo/bar"], ["bar/"], ["", "  ", "*.txt"], ["ą"], ["x/y/"], ["*/b.txt"], ["a**g"],
    ["[x]/*.log"], ["foo*"], ["*.LOG"], [r"back\\slash"],
]  # fmt: skip


def ignored(lines: list[str]) -> set[str]:
    """Return those of PATHS that are left out, folder by folder as a walk goes."""
    rules = Rules(lines)
    found = set()
    for path in PATHS:
        parts = path.split("/")
        for count in range(1, len(parts) + 1):
            if rules.verdict("/".join(parts[:count]), count < len(parts)) == "ignored":
                found.add(path)
                break
    return found


@pytest.fixture(scope="module")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """An empty git repository."""
    root = tmp_path_factory.mktemp("repository")
    subprocess.run(["git", "init", "--quiet", str(root)], check=True, timeout=LIMIT)
    for path in PATHS:
        (root / path).parent.mkdir(parents=True, exist_ok=True)
        (root / path).write_text("")
    return root


@pytest.mark.parametrize("lines", PATTERNS, ids=" ".join)
def test_patterns_mean_what_they_mean_to_git(repository: Path, lines: list[str]):
    """What a .gitignore leaves out, a .siignore of the same lines leaves out."""
    (repository / ".gitignore").write_text("\n".join(lines) + "\n")
    told = subprocess.run(
        ["git", "-c", "core.excludesFile=", "check-ignore", "--no-index", "-z", "--stdin"],
        cwd=repository,
        input="\0".join(PATHS).encode(),
        capture_output=True,
        timeout=LIMIT,
        check=False,
    )

    assert told.returncode in (0, 1), told.stderr
    assert ignored(lines) == set(told.stdout.decode().split("\0")) - {""}


@pytest.mark.parametrize(
    ("path", "verdict"),
    [
        (".env", "secret"),
        ("deep/.env.production", "secret"),
        (".env.example", "wanted"),
        ("keys/id_rsa", "secret"),
        ("keys/id_rsa.pub", ""),
        ("server.key", "secret"),
        (".npmrc", "secret"),
        (".pypirc", "secret"),
        (".netrc", "secret"),
        ("main.py", ""),
        ("environment.py", ""),
        ("a/__pycache__", "needless"),
        (".git", "needless"),
        ("node_modules", ""),
    ],
)
def test_rules_that_always_hold(path: str, verdict: str):
    """Secrets and leftovers of tools are known by name."""
    assert Rules().verdict(path, False) == verdict


def test_own_rules_go_before_all_others():
    """A `!` rule takes a secret in."""
    assert Rules(["!.env"]).verdict(".env", False) == "wanted"


@pytest.mark.parametrize(
    ("head", "is_key"),
    [
        (b"-----BEGIN PRIVATE KEY-----\n", True),
        (b"\n-----BEGIN OPENSSH PRIVATE KEY-----\n", True),
        (b"-----BEGIN EC PRIVATE KEY-----", True),
        (b"PuTTY-User-Key-File-3: ssh-ed25519", True),
        (b"-----BEGIN CERTIFICATE-----", False),
        (b"KEY = '-----BEGIN PRIVATE KEY-----'", False),
        (b"\xef\xbb\xbf-----BEGIN PRIVATE KEY-----", True),
        (b"# of the server\n\n-----BEGIN RSA PRIVATE KEY-----", True),
        (b"x" * 3000 + b"\r\n-----BEGIN PRIVATE KEY-----", True),
        (b"  -----BEGIN ENCRYPTED PRIVATE KEY-----", True),
        ("\ufeff# key\r\n-----BEGIN PRIVATE KEY-----".encode("utf-16-le"), True),
        ("-----BEGIN PRIVATE KEY-----".encode("utf-16"), True),
        ("-----BEGIN PRIVATE KEY-----".encode("utf-16-be"), True),
        ("-----BEGIN PRIVATE KEY-----".encode("utf-32"), True),
        (b"-----BEGIN PGP PRIVATE KEY BLOCK-----", True),
        (b"---- BEGIN SSH2 ENCRYPTED PRIVATE KEY ----", True),
        (b"AGE-SECRET-KEY-1QQQQ", True),
        (bytes.fromhex("3082 04a4 0201 0002 8201 01"), True),
        (bytes.fromhex("3082 04bd 0201 0030 0d06 09"), True),
        (bytes.fromhex("3081 8702 0100 3013 0607"), True),
        (bytes.fromhex("3077 0201 0104 20"), True),
        (bytes.fromhex("3082 0a0f 0201 0330 82"), True),
        (b"SSH PRIVATE KEY FILE FORMAT 1.1\n\0", True),
        (bytes.fromhex("3082 0350 3082 0238 a003 0201"), False),
        (b"-----BEGIN PUBLIC KEY-----", False),
        (b"ssh-rsa AAAAB3Nza me@here", False),
        (b'{"type": "service_account", "private_key": "-----BEGIN PRIVATE KEY-----\\nMII', True),
    ],
)
def test_private_keys_are_known_by_how_they_begin(head: bytes, is_key: bool):
    """A private key is one whatever its name."""
    assert holds_private_key(head) == is_key


SECRETS = """
.env .Env .ENV .env~ .env.bak .env.local .env.swp .env.gz .env-prod prod.env #.env# .#.env .envrc
id_rsa ID_RSA id_ed25519 id_ed25519.bak id_rsa_old id_rsa.2024-01-01 deploy_rsa
KEY.PEM key.pem.orig tls.Key x.p8 x.p12 x.PFX x.jks x.keystore x.kdbx x.kdb x.keytab x.ppk my.ovpn
kubeconfig KUBECONFIG kubeconfig.yaml dev.kubeconfig .kube .Kube .kube.bak
terraform.tfstate terraform.tfstate.backup prod.tfvars prod.auto.tfvars.json .terraformrc credentials.tfrc.json
.bash_history .zsh_history .python_history .psql_history .node_repl_history .viminfo
a/.config/gcloud .config/gcloud .config/gh .config/rclone application_default_credentials.json adc.json
client_secret.json client_secret_12.apps.googleusercontent.com.json client-secret.json
service-account.json service_account.json my-service-account-key.json x-firebase-adminsdk-1.json
credentials Credentials credentials.json credentials.csv credentials.old .credentials.swp credentials~
aws_credentials .aws .ssh .gnupg .docker .azure .password-store
secrets.toml secrets.yaml secret.json secrets.JSON secrets db-secrets.yml
.vault-token .npmrc .pypirc .netrc _netrc .pgpass .htpasswd .git-credentials .my.cnf .s3cfg .boto .dockercfg
.cargo/credentials.toml .m2/settings.xml .gem/credentials
data.db data.sqlite data.SQLITE3 data.sqlite3.bak
passwords.txt password.json token.json api_key.txt access_token master.key accessKeys.csv
.secrets.toml .credentials .credentials.json .api_key .apikey.txt .token .password .recovery-codes.txt
id_rsa2 id_rsa_work id_ed25519-github id_rsa.txt server.pem.txt id_rsa.key.txt key.ppk.txt x.pfx.b64 secring.gpg
.env2 .env_backup .env.production.local env.production env.local dotenv .envs .dev.vars
.netrc.work .netrc2 netrc _netrc.txt .git-credentials-store .npmrc.work .authinfo .cvspass .subversion .curlrc
.Xauthority .si .si-tmp .dbt .fly .codex .pulumi auth.json rclone.conf cookies.txt logins.json gha-creds-0a1b.json
wp-config.php.bak kube.config kube-config.yaml config.kube k3s.yaml tfplan prod.tfplan db.sqlite3-journal
db.sqlite3-wal data.db-shm
.jupyter/jupyter_server_config.json .local/share/jupyter/runtime
"""

HARMLESS = """
main.py package.json package-lock.json requirements.txt README.md environment.py .env.example .env.sample
tokenizer.json vocab.json data.csv model.bin id_rsa.pub lib/utils.js index.html history.txt config.yaml settings.toml
keyboard.json monkey.txt donkey.yaml database.csv tokens_count.csv secretary.txt Makefile Dockerfile
.secrets.baseline special_tokens_map.json added_tokens.json .env.local.example .env.test.sample id_rsa_work.pub
ca.crt server.cer request.csr known_hosts authorized_keys .docker-compose.yml .azure-pipelines.yml .aws-sam .helmignore
.dockerignore .kube-linter.yaml netrc.py environment.yml env.yaml conf.d/app.conf master.key.enc data.gpg
"""

CODE = "secrets.py credentials.py wp-config.php password.js api_key.go passwords.md secrets.sh"


@pytest.mark.parametrize(
    ("name", "verdict"),
    [
        *((each, "secret") for each in SECRETS.split()),
        *((f"deep/er/{each}", "secret") for each in SECRETS.split()),
        *((each, "suspect") for each in CODE.split()),
        ("client_secret (1).json", "secret"),
        ("Copy of .env", "secret"),
        ("credentials - Copy.json", "secret"),
        ("id_rsa copy", "secret"),
        (".env ", "secret"),
        ("id_rsa\n", "secret"),
        (" .env", "secret"),
        (".env - Kopie", "secret"),
        (".env \u2013 Kopie (2)", "secret"),
        ("Kopie von .env", "secret"),
        ("Copia de .env", "secret"),
        (".env (another copy)", "secret"),
        ("credentials \u2014 \u043a\u043e\u043f\u0438\u044f.json", "secret"),
        ("Thumbs.db", "needless"),
        (".bzr", "needless"),
    ],
)
def test_names_of_secrets(name: str, verdict: str):
    """Tools' files of keys and passwords are known in any case, and so are copies of them."""
    assert Rules().verdict(name, False) == verdict


@pytest.mark.parametrize("name", HARMLESS.split())
def test_names_that_are_no_secrets(name: str):
    """What programs consist of is not taken for a secret."""
    assert Rules().verdict(name, False) in ("", "wanted")
    assert not is_suspect(name) or name == "tokens_count.csv"


# Put together, so that scanners of this repository find none.
SHAPES = {
    "AWS": "AKIA" + "Z" * 16,
    "GitHub": "ghp_" + "a1" * 18,
    "GitLab runner": "glrt-" + "a1B2c" * 4,
    "Grafana": "glsa_" + "a1" * 16 + "_0123abcd",
    "Slack": "xoxb-" + "1" * 12,
    "Slack hook": "https://hooks.slack.com/services/" + "T0000/B0000/" + "x" * 24,
    "Discord hook": "https://discord.com/api/webhooks/" + "1" * 18 + "/" + "a" * 68,
    "Google client": "GOCSPX-" + "a" * 28,
    "Google access": "ya29." + "a" * 40,
    "Shopify": "shpat_" + "a1" * 16,
    "Square": "sq0csp-" + "a" * 43,
    "Stripe test": "sk_test_" + "a1" * 12,
    "Stripe hook": "whsec_" + "a" * 32,
    "Databricks": "dapi" + "a1" * 16,
    "Notion": "ntn_" + "1" * 46,
    "Terraform": "a" * 14 + ".atlasv1." + "a" * 64,
    "RubyGems": "rubygems_" + "a1" * 24,
    "New Relic": "NRAK-" + "A" * 27,
    "Postman": "PMAK-" + "a" * 24 + "-" + "b" * 34,
    "Brevo": "xkeysib-" + "a" * 64 + "-" + "a" * 16,
    "Doppler": "dp.pt." + "a" * 43,
    "Linear": "lin_api_" + "a" * 40,
    "Atlassian": "ATATT3" + "xF" * 60,
    "Supabase": "sbp_" + "a1" * 20,
    "PlanetScale": "pscale_tkn_" + "a" * 40,
    "Tailscale": "tskey-auth-" + "a" * 24,
    "Telegram": "110201543:AA" + "h" * 33,
    "Azure client": "abc8Q~" + "a" * 34,
    "JWK": '{"kty": "RSA", "n": "x", "d": "y"}',
    "JWT": "eyJ" + "a" * 20 + ".eyJ" + "b" * 20 + "." + "c" * 20,
    "key in base64": base64.b64encode(b"-----BEGIN RSA PRIVATE KEY-----\nMII").decode(),
    "key in base64, PKCS #8": base64.b64encode(b"-----BEGIN PRIVATE KEY-----\nMII").decode(),
    "URL": "postgres://me:hunter22@db.example/x",
}


@pytest.mark.parametrize("encoding", ["utf-8", "utf-16"])
@pytest.mark.parametrize("shape", SHAPES)
def test_shapes_of_tokens(shape: str, encoding: str):
    """Tokens that their issuers gave a shape are known in any text."""
    assert holds_secret(f"a: 1\nx = '{SHAPES[shape]}'\n".encode(encoding))


@pytest.mark.parametrize(
    ("text", "is_secret"),
    [
        ("[db]\npassword = hunter2hunter2\n", True),
        ('{"db": {"Password": "hunter2hunter2"}}', True),
        ("db:\n  passwd: hunter2hunter2", True),
        ("export DB_PASSWORD='hunter2hunter2'", True),
        ("aws_secret_access_key = wJalr0UtnFEMI/K7MDENG/b", True),
        ("Server=x;User Id=sa;Password=Sup3rSecret;", True),
        ("AccountName=x;AccountKey=" + "aB3" * 20 + "==;", True),
        ("SECRET_KEY=abcdefghij1234", True),
        ("//registry.example/:_authToken=abcdefgh-1234", True),
        ("    client-key-data: LS0tLS1CRUdJTi1", True),
        ("PrivateKey = yAnz5TFlXXJte14tji3zlMNqhd2rYUIgJBgB3fBmk=", True),
        ("Authorization: Basic dXNlcjpwYXNzd29yZA12", True),
        ("api-key: 0123abcd0123abcd", True),
        ("password: ${DB_PASSWORD_1}", False),
        ("password: <your-password-1>", False),
        ("password: {{ vault_1_password }}", False),
        ("password: %DB_PASSWORD_1%", False),
        ('{"password": {"type": "string"}, "token": null}', False),
        ('{"password": "Password", "forgotPassword": "Forgot it?"}', False),
        ('{"bos_token": "<|begin_of_text|>", "unk_token": "[UNK1]", "tokenizer_class": "Llama2Tokenizer"}', False),
        ("The password: you must choose one. A token = a word.", False),
        ("max_tokens: 4096\ntoken_count = 12345678a", False),
        ("password_hash: 5f4dcc3b5aa765d61d8327deb882cf99", False),
    ],
)  # fmt: skip
def test_values_that_are_called_a_secret(text: str, is_secret: bool):
    """In a file of settings a value is a secret by its name, if it is one that somebody has made."""
    assert assigns_secret(text.encode()) == is_secret


@pytest.mark.parametrize(
    ("name", "content", "public"),
    [
        ("ca.pem", b"-----BEGIN CERTIFICATE-----", True),
        ("CA.PEM", "-----BEGIN CERTIFICATE-----".encode("utf-16"), True),
        ("ca.pem", b"-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----", False),
        (
            "ca.pem",
            "-----BEGIN CERTIFICATE-----\n-----BEGIN PRIVATE KEY-----".encode("utf-16"),
            False,
        ),
        ("ca.pem", b"MIIE", False),
        ("id_rsa", b"-----BEGIN CERTIFICATE-----", False),
    ],
)
def test_certificates_are_public(name: str, content: bytes, public: bool):
    """A file named like a key is public if it holds certificates alone, in any encoding."""
    assert is_public(name, content) == public
