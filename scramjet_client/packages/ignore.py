"""Which files of a folder are excluded: rules like those of a .gitignore, and rules that always hold."""

from __future__ import annotations

import functools
import re
from collections.abc import Iterable, Iterator

import attrs

IGNORE_FILE = ".siignore"
"""The ignore file of the platform's own command, in the root of a sequence's folder."""

_NEEDLESS = """
.siignore .git .gitignore .gitattributes .hg .svn .bzr .jj _darcs .DS_Store Thumbs.db
__pycache__ *.py[co] .mypy_cache .pytest_cache .ruff_cache .hypothesis .tox .nox .ipynb_checkpoints
.idea .vscode *.sw[op]
"""

# Names under which tools keep keys, passwords, tokens, or typed text. Sources, as seen in November 2026:
#   gitrob     github.com/michenriksen/gitrob, filesignatures.json: names of files that hold secrets
#   shhgit     github.com/eth0izzle/shhgit, config.yaml: those of gitrob, kept on
#   gitleaks   github.com/gitleaks/gitleaks, config/gitleaks.toml: rules on names (PKCS #12) and shapes of tokens
#   gitignore  github.com/github/gitignore: Terraform, and the dotfiles of languages
#   manuals    of the tools themselves: aws, gcloud, az, kubectl, docker, vault, gh, npm, pip, twine, cargo, gem
# Letter case does not matter. A copy made by an editor or a person (`.env~`, `id_rsa.bak`) counts as the
# original. Names that programs also use for code are in _SUSPECT.
_SECRET = """
.env .env.* .env-* .env_* *.env .envrc .envs .environment .dev.vars dotenv env.local env.prod* env.staging
!.env*.example !.env*.sample !.env*.template !.env*.dist !.env*.defaults !example.env !sample.env !*.env.example
!id_*[-_]*.pub !Thumbs.db !.secrets.baseline !special_tokens_map.json !added_tokens.json

.npmrc .yarnrc.yml .netrc _netrc .pypirc .git-credentials .gitconfig .pgpass pgpass.conf .my.cnf .mylogin.cnf
.htpasswd htpasswd .htdigest .dockercfg .dockerconfigjson .s3cfg .boto .fetchmailrc .msmtprc .muttrc .mutt
.smbcredentials .vault-token .vault_pass* vault_pass* .ansible_vault* .terraformrc terraform.rc credentials.tfrc.json
.tugboat .trc .password-store .rediscli_auth .databrickscfg .snowsql .snowflake .kaggle .huggingface
.cdsapirc .ecmwfapirc .pip/pip.conf pip.ini .si .si-tmp
.netrc.* .netrc[-_]* netrc .npmrc.* .pypirc.* .pgpass.* .git-credentials* .authinfo .authinfo.gpg authinfo .cvspass
.rhosts .shosts .wgetrc .curlrc .lftprc .mbsyncrc .offlineimaprc .sentryclirc .clasprc.json .Xauthority .ICEauthority
.subversion .irssi .weechat .znc .vnc .ngrok .ngrok2 .dbt .fly .mc .pulumi .codex .gemini .step .tsh .cf .jfrog .pgadmin
**/.jupyter/jupyter_*_config.json **/.local/share/jupyter/runtime **/.databricks/token-cache.json
auth.json rclone.conf wp-config.php gha-creds-*.json cookies.txt cookies.json logins.json key3.db key4.db
recovery[-_]codes* backup[-_]codes*
.aws .azure .docker .gnupg .kube .ssh .oci .bluemix .terraform.d .helm .minikube .gcloud .chef .electrum .bitcoin
**/.config/gcloud **/.config/gh **/.config/hub **/.config/glab-cli **/.config/rclone **/.config/op **/.config/doctl
**/.config/containers/auth.json **/.config/github-copilot **/.config/pypoetry/auth.toml **/.config/filezilla
**/gcloud/credentials.db **/gcloud/legacy_credentials **/gcloud/access_tokens.db adc.json
application_default_credentials.json
**/.cargo/credentials **/.cargo/credentials.toml **/.gem/credentials **/.m2/settings.xml
**/.m2/settings-security.xml **/.gradle/gradle.properties **/.composer/auth.json **/.bundle/config
**/.local/share/keyrings **/aws/credentials **/etc/shadow **/.purple/accounts.xml
filezilla.xml sitemanager.xml recentservers.xml sftp-config.json .ftpconfig .remote-sync.json WebServers.xml
otr.private_key robomongo.json .dbeaver-data-sources.xml dbeaver-data-sources.xml credentials-config.json
master.key secret_token.rb proftpdpasswd

.*_history .*history .lesshst .viminfo .recently-used *_history.sqlite

id_rsa id_dsa id_ecdsa id_ecdsa_sk id_ed25519 id_ed25519_sk *_rsa *_dsa *_ecdsa *_ed25519
*.pem *.key *.p8 *.p12 *.pkcs12 *.pfx *.jks *.jceks *.bks *.keystore *.keytab *.ppk *.kdb *.kdbx *.psafe3
*.agilekeychain *.keychain *.keychain-db *.kwallet *.opvault *.ovpn *.rdp *.tpm *.bek *.mobileprovision *.age-key
*.asc.key keystore.properties key.properties secring.* private-keys-v1.d id_rsa[-_]* id_ecdsa[-_]* id_ed25519[-_]*

kubeconfig kubeconfig.* *.kubeconfig *-kubeconfig kube[-_]config* kube.config config.kube k3s.yaml
tfplan *.tfplan *.tfstate *.tfstate.* *.tfvars *.tfvars.json .terraform.tfstate*
credentials credentials.* *-credentials *_credentials *credentials*.json *credentials*.csv *credentials*.y*ml
client_secret*.json client-secret*.json oauth*secret* *service-account*.json *service_account*.json
*serviceaccount*.json *-firebase-adminsdk-*.json *accessKeys*.csv rootkey.csv
secret secrets secret.* secrets.* *.secret *.secrets *-secrets.y*ml *_secrets.y*ml *-secret.y*ml
password passwords password.* passwords.* passwd passwd.* *.passwd *.password *.passwords
token.json token.txt token.pickle token .token *.token access_token* refresh_token* apikey apikey.* api_key api_key.*
api-key api-key.* apikeys.* api_keys.* private_key private_key.* privatekey privatekey.* private-key private-key.*

*.db *.db-* *.sqlite-* *.sqlite3-* *.db3 *.sqlite *.sqlite3 *.sqlitedb *.mdf *.sdf *.accdb *.mdb *.sqldump
"""

# Suspicious names of files that a program may need.
_SUSPECT = re.compile(
    r"secret(?!ar)|passw(?:or)?d|passphrase|credential|api[-_.]?key|access[-_.]?key|private[-_.]?key|(?:^|[-_.])tokens?(?:[-_.]|$)"
    r"|(?:^|[-_.])(?:dump|backup)\.sql|\.sql$|\.pcap(?:ng)?$"
)

_CODE = (
    ".py", ".pyi", ".ipynb", ".js", ".mjs", ".cjs", ".jsx", ".ts", ".tsx", ".rb", ".php", ".go", ".rs", ".java", ".c",
    ".h", ".cc", ".cpp", ".hpp", ".cs", ".sh", ".so", ".pyd", ".md", ".rst", ".html", ".css", ".map",
)  # fmt: skip
"""Endings of code and of documentation, where a suspicious name proves nothing."""

# Additions of editors and people to the name of a copy. File managers use the language of the desktop.
_OF_A_COPY = (
    r"(?:copy|kopie|kopia|kopi|copie|copia|c\u00f3pia"
    r"|\u043a\u043e\u043f\u0438\u044f|\u526f\u672c|\u30b3\u30d4\u30fc)"
)
_COPY_MARK = rf"(?: ?\(\d+\)| ?\((?:[^()]+ )?{_OF_A_COPY}\)|(?: [-\u2013\u2014])? {_OF_A_COPY}(?: ?\(?\d+\)?)?)"
_COPY = re.compile(
    r"^(?P<name>.+?)(?:~+\d*|\.~\d+~|[-._ ]?(?:bak|bkp|backup|old|orig(?:inal)?|save|saved|copy|tmp|temp|prev(?:ious)?|"
    r"rej|dpkg-(?:old|dist|new)|rpm(?:save|new|orig)|swp|swo|swn|un~|part|disabled|gz|bz2|xz|zst|zip|tar|tgz|7z"
    r"|txt|text|b64|base64|hex)\d*"
    rf"|\.\d{{1,14}}|[-_.]\d{{4}}-\d\d-\d\d|[ _-]*\(\d+\)|[-_ ]?\d{{1,3}}|{_COPY_MARK}|\s+)$"
)
_COPY_BEFORE_END = re.compile(
    rf"^(?P<name>.+?)(?:{_COPY_MARK}|[-._ ](?:bak|backup|old|orig|copy))(?P<end>\.\w+)$"
)
_COPY_BEFORE = re.compile(
    r"^(?:\.#|#|backup of |~\$|\s+"
    r"|(?:[^ ]+ )?(?:copy|kopie|kopia|copie|copia) (?:of |von |de |van |di )?)(?P<name>.+?)#?$"
)

_PRIVATE_KEY = re.compile(
    rb"^[ \t]*(?:-{4,5} ?BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY|PuTTY-User-Key-File|AGE-SECRET-KEY-1)"
    rb"|\"private_key\"\s*:\s*\"-----BEGIN",
    re.MULTILINE,
)

# Shapes of secrets within texts, as in gitleaks' rules: their issuers gave each a fixed beginning. The beginning
# comes first in each pair, because a search for it is much faster than one for the whole pattern.
_TOKENS = {
    mark: re.compile(pattern)
    for mark, pattern in (
        (b"PRIVATE KEY", rb"-----BEGIN (?:[A-Z0-9]+ )*PRIVATE KEY"),
        (b"private_key", rb"\"private_key\"\s*:"),
        (b"AKIA", rb"\bAKIA[A-Z0-9]{16}\b"),
        (b"ASIA", rb"\bASIA[A-Z0-9]{16}\b"),
        *(
            (b"gh" + kind + b"_", rb"\bgh[pousr]_[A-Za-z0-9]{36}")
            for kind in (b"p", b"o", b"u", b"s", b"r")
        ),
        (b"github_pat_", rb"\bgithub_pat_\w{22,}"),
        (b"glpat-", rb"\bglpat-[\w-]{20}"),
        (b"xox", rb"\bxox[abeprs]-[\w-]{10,}"),
        (b"k_live_", rb"\b[sr]k_live_[A-Za-z0-9]{10,}"),
        (b"AIza", rb"\bAIza[\w-]{35}"),
        (b"npm_", rb"\bnpm_[A-Za-z0-9]{36}"),
        (b"pypi-AgE", rb"\bpypi-AgE[\w-]{50,}"),
        (b"SG.", rb"\bSG\.[\w-]{22}\.[\w-]{43}"),
        (b"hvs.", rb"\bhvs\.[\w-]{24,}"),
        (b"hf_", rb"\bhf_[A-Za-z]{30,}"),
        (b"sk-", rb"\bsk-(?:ant-|proj-)?[\w-]{32,}"),
        (b"dop_v1_", rb"\bdop_v1_[a-f0-9]{64}"),
        (b".ey", rb"\bey[A-Za-z0-9_-]{17,}\.ey[\w-]{17,}\.[\w-]{10,}"),
        (b"hooks.slack.com/", rb"hooks\.slack\.com/(?:services|workflows)/T\w+/[\w/]{20,}"),
        (b"/api/webhooks/", rb"discord(?:app)?\.com/api/webhooks/\d{17,20}/[\w-]{60,}"),
        (b"GOCSPX-", rb"\bGOCSPX-[\w-]{28}"),
        (b"ya29.", rb"\bya29\.[\w-]{30,}"),
        (b"shp", rb"\bshp(?:at|ca|pa|ss)_[a-fA-F0-9]{32}"),
        (b"sq0", rb"\bsq0(?:csp|atp)-[\w-]{22,}"),
        (b"k_test_", rb"\b[sr]k_test_[A-Za-z0-9]{10,}"),
        (b"whsec_", rb"\bwhsec_[A-Za-z0-9+/]{24,}"),
        (b"dapi", rb"\bdapi[a-f0-9]{32}"),
        (b"ntn_", rb"\bntn_[A-Za-z0-9]{40,}"),
        (
            b"gl",
            rb"\bgl(?:(?:rt|ptt|dt|cbt|ft|imt|agent|oas|soat|ffct)-[\w-]{20,}|(?:sa|c)_[A-Za-z0-9_+/=]{32,})",
        ),
        (b".atlasv1.", rb"\b[A-Za-z0-9]{14}\.atlasv1\.[\w-]{60,}"),
        (b"rubygems_", rb"\brubygems_[a-f0-9]{48}"),
        (b"NR", rb"\bNR(?:AK|II|JS|RA)-[A-Za-z0-9-]{19,}"),
        (b"PMAK-", rb"\bPMAK-[a-f0-9]{24}-[a-f0-9]{34}"),
        (b"xkeysib-", rb"\bxkeysib-[a-f0-9]{64}-[A-Za-z0-9]{16}"),
        (b"dp.", rb"\bdp\.(?:pt|st|ct|sa|scim|audit)\.[A-Za-z0-9._-]{40,}"),
        (b"lin_", rb"\blin_(?:api|oauth)_[A-Za-z0-9]{32,}"),
        (b"ATATT3", rb"\bATATT3[\w=-]{60,}"),
        (b"sbp_", rb"\bsbp_[a-f0-9]{40}"),
        (b"pscale_", rb"\bpscale_(?:tkn|pw|oauth)_[\w.-]{32,}"),
        (b"tskey-", rb"\btskey-[a-z]+-[\w-]{20,}"),
        (b":AA", rb"\b\d{8,10}:AA[\w-]{32,34}\b"),
        (b"8Q~", rb"\b[\w.~-]{3}8Q~[\w.~-]{31,34}"),
        (b'"kty"', rb"\"kty\"[^}]*\"[dk]\"\s*:|\"[dk]\"\s*:[^}]*\"kty\""),
        # "-----BEGIN ... PRIVATE KEY" in base64, with OPENSSH, RSA, EC, ENCRYPTED, or nothing in the gap.
        (
            b"LS0tLS1CRUdJTi",
            rb"LS0tLS1CRUdJTiB(?:PUEVOU1NI|SU0EgUFJJ|FQyBQUklW|FTkNSWVBURUQgUFJJ|QUklWQVRF)",
        ),
        (b"@", rb"\w://[^\s:/@'\"]{0,64}:[^\s/@'\"{}$<>*]{3,64}@[\w.-]"),
    )
}

# A secret without a known shape, found by its name: eight characters or more, including digits.
_ASSIGNED = re.compile(
    rb"(?i:pass(?:w(?:or)?d|phrase)?|pwd|secret|token|credentials?|auth(?:orization)?"
    rb"|(?:api|access|private|secret|account|signing|encryption|master|fernet|session|client|shared|storage)[-_ .]?key"
    rb"(?:[-_]data)?)[\"']?[ \t]*(?:=>|:=|[:=])[ \t]*(?i:basic |bearer )?[\"']?"
    rb"(?=[^\s\"']{0,200}\d)(?=[^\s\"']{0,200}[A-Za-z])[^\s\"'<>${}\[\]()*%,;]{8,}(?=[\"',;\s]|$)"
)

_BINARY_KEY = re.compile(
    rb"SSH PRIVATE KEY FILE FORMAT|\x30(?:\x82..|\x81.|.)\x02\x01(?:\x00(?:\x02[\x40-\x82]|\x30)|\x01\x04|\x03\x30)",
    re.DOTALL,
)
"""First bytes of binary private keys: of SSH 1, and in DER, PKCS #1, #8 and #12, and SEC 1."""

_DATABASES = (b"SQLite format 3\0", b"\x03\xd9\xa2\x9a", b"\xfe\xed\xfe\xed")
"""First bytes of databases that hold personal data: SQLite, KeePass, Java's keystores."""


@attrs.frozen
class _Rule:
    pattern: re.Pattern[str]
    folders_only: bool
    verdict: str


class Rules:
    """Ordered rules; the last one that matches a path decides.

    Verdicts are words: "needless" and "ignored" (left out), "secret" (left out, with a warning), "suspect" (part of a
    program with the name of a secret: included, with a warning), "wanted" (included by a `!` rule), "" (no rule
    matches).
    """

    def __init__(self, lines: Iterable[str] = (), *, node: bool = True) -> None:
        """Make the rules of one folder; the lines of its ignore file come before all others.

        With `node`, `node_modules` belongs to the package.
        """
        needless = _NEEDLESS.split() + ([] if node else ["node_modules"])
        self._needless = list(_rules(needless, "needless"))
        self._own = list(_rules(lines, "ignored"))

    def verdict(self, path: str, is_folder: bool) -> str:
        """Return the verdict for a path relative to the folder, with `/` between its parts."""
        own = _last(self._own, path, is_folder)
        if own:
            return own
        if is_named_secret(path):
            return "suspect" if is_code(path) and not is_folder else "secret"
        return _last(self._needless, path, is_folder) or _secrecy(path)

    def is_named(self, file: str) -> bool:
        """Return whether the folder's own rules include a file by its name."""
        return _last(self._own, file, is_folder=False) == "wanted"


@functools.lru_cache(maxsize=1024)
def is_named_secret(path: str) -> bool:
    """Return whether a path has the name of a secret, or of a copy of a secret."""
    return _secrecy(path) != "wanted" and any(
        _secrecy(each) == "secret" for each in _originals(path)
    )


def _secrecy(path: str) -> str:
    secret, harmless = _secret_patterns()
    if harmless.fullmatch(path):
        return "wanted"
    return "secret" if secret.fullmatch(path) else ""


@functools.lru_cache(maxsize=1)
def _secret_patterns() -> tuple[re.Pattern[str], re.Pattern[str]]:
    """Return one expression for the names of secrets, and one for names that only look like secrets."""
    both: tuple[list[str], list[str]] = ([], [])
    for text in _SECRET.split():
        both[text.startswith("!")].append(_regex(text.lstrip("!")).pattern)
    secret, harmless = (re.compile("|".join(each), re.DOTALL | re.IGNORECASE) for each in both)
    return secret, harmless


def _rules(lines: Iterable[str], verdict: str) -> Iterator[_Rule]:
    for line in lines:
        text = _stripped(line)
        if not text or text.startswith("#"):
            continue
        negated = text.startswith("!")
        text = text[negated:]
        folders_only = text.endswith("/")
        pattern = _regex(text.rstrip("/") if folders_only else text)
        yield _Rule(pattern, folders_only, "wanted" if negated else verdict)


def _last(rules: list[_Rule], path: str, is_folder: bool) -> str:
    for rule in reversed(rules):
        if (is_folder or not rule.folders_only) and rule.pattern.fullmatch(path):
            return rule.verdict
    return ""


_ORIGINALS_LIMIT = 100
"""How many possible originals of one name are tried. A long name of only dots and digits has thousands."""


def _originals(path: str) -> list[str]:
    """Return a path, and the paths it may be a copy or an editor's leftover of."""
    folder, slash, name = path.rpartition("/")
    found: list[str] = []
    waiting = [name]
    while waiting and len(found) < _ORIGINALS_LIMIT:
        name = waiting.pop(0)
        if name in found or not name.strip("."):
            continue
        found.append(name)
        lower = name.lower()
        if (match := _COPY.match(lower)) is not None:
            # In the name of a swap file, `.name.swp`, the dot is an addition too.
            waiting += [match["name"], match["name"][1:]] if name[:1] == "." else [match["name"]]
        if (match := _COPY_BEFORE_END.match(lower)) is not None:
            waiting.append(match["name"] + match["end"])
        if (match := _COPY_BEFORE.match(lower)) is not None:
            waiting.append(match["name"])
        if name[:1] == ".":
            waiting.append(name[1:])
    return [folder + slash + each for each in found]


def holds_private_key(head: bytes) -> bool:
    """Return whether a file with this beginning is a private key, whatever its name and encoding."""
    return _PRIVATE_KEY.search(_plain(head)) is not None or _BINARY_KEY.match(head) is not None


def holds_secret(head: bytes) -> bool:
    """Return whether a text with this beginning contains something that looks like a key or token."""
    text = _plain(head)
    return any(mark in text and pattern.search(text) for mark, pattern in _TOKENS.items())


def assigns_secret(head: bytes) -> bool:
    """Return whether a text with this beginning, if it is not code, assigns a value to a secret-like name."""
    return _ASSIGNED.search(_plain(head)) is not None


def is_code(path: str) -> bool:
    """Return whether a file is part of a program, or documentation of one."""
    return path.lower().endswith(_CODE)


def is_database(head: bytes) -> bool:
    """Return whether a file with this beginning is a database, of data or of passwords."""
    return head.startswith(_DATABASES)


def is_suspect(path: str) -> bool:
    """Return whether a file may be a secret by its name, though programs use such names too."""
    name = path.lower().rpartition("/")[2]
    return _secrecy(path) != "wanted" and _SUSPECT.search(name) is not None


def _plain(head: bytes) -> bytes:
    r"""Return a text without the marks and zeros of its encoding, and with "\\n" at the end of each line."""
    for mark in (b"\xef\xbb\xbf", b"\xff\xfe", b"\xfe\xff"):
        head = head[len(mark) :] if head.startswith(mark) else head
    return head.replace(b"\0", b"").replace(b"\r", b"\n")


def is_public(name: str, content: bytes) -> bool:
    """Return whether a file named like a key holds only certificates or public keys, as `cacert.pem` does."""
    text = _plain(content)
    return (
        name.lower().endswith((".pem", ".key"))
        and b"-----BEGIN " in text
        and b"PRIVATE KEY" not in text
    )


def _stripped(line: str) -> str:
    """Return a line without its end and trailing spaces; a space after a backslash stays."""
    text = line.rstrip("\r\n")
    while text.endswith(" ") and not text.endswith("\\ "):
        text = text[:-1]
    return text


def _regex(text: str) -> re.Pattern[str]:
    """Return a .gitignore pattern as a regular expression for whole paths."""
    anchored = "/" in text
    parts = text.lstrip("/").split("/") if anchored else ["**", text]
    found = ""
    for at, part in enumerate(parts):
        last = at == len(parts) - 1
        if part == "**":
            found += ".+" if last else "(?:.*/)?"
        else:
            found += _part(part) + ("" if last else "/")
    return re.compile(found, re.DOTALL)


def _part(text: str) -> str:
    """Return one part of a path pattern, between slashes, as a regular expression."""
    found, at = "", 0
    while at < len(text):
        char = text[at]
        at += 1
        if char == "*":
            found += "[^/]*"
        elif char == "?":
            found += "[^/]"
        elif char == "\\" and at < len(text):
            found += re.escape(text[at])
            at += 1
        elif char == "[" and (end := _class_end(text, at)) > 0:
            found += _class(text[at:end])
            at = end + 1
        else:
            found += re.escape(char)
    return found


def _class_end(text: str, start: int) -> int:
    """Return the index of the `]` of a `[...]`, or -1; a `]` directly after the `[` is a member."""
    at = start + (text[start : start + 1] in ("!", "^"))
    return text.find("]", at + 1)


def _class(members: str) -> str:
    negated = members[0] in "!^"
    escaped = re.sub(r"([\\\[\]^&~|])", r"\\\1", members[negated:])
    return f"(?!/)[{'^' if negated else ''}{escaped}]"
