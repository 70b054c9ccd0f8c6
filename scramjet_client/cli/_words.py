"""Suggestions for a word that is not a command or option here.

A wrong suggestion is worse than none: a word is taken for another one only if the tables say so, or if it is a slip
of the fingers. The tables have the words of docker, kubectl, si, systemctl, heroku, modal and flyctl.
"""

from __future__ import annotations

import functools
import itertools
import re
from collections.abc import Iterable, Iterator, Sequence

import click


class Advice(click.UsageError):
    """A wrong use whose message says what to do, so that the usage is not added."""


def _lists(text: str) -> dict[str, tuple[str, ...]]:
    """Return the words of each name; a line that is indented goes on with the one above it."""
    lines = text.strip().replace("\n    ", " ").splitlines()
    rows = (line.partition(": ") for line in lines)
    return {name: tuple(words.split()) for name, _, words in rows}


_GROUPS = _lists("""
seq: sequence sequences seqs image images store package packages app apps function functions program programs deployment
    deployments release releases
inst: instance instances insts container containers pod pods job jobs process processes task tasks machine machines dyno
    dynos unit units ps
topic: topics queue queues
hub: hubs sth host hosts server node nodes system platform
profile: profiles config context contexts login scope auth remote remotes
""")
"""Names of the groups in other tools."""

_VERBS = _lists("""
inst list: ps ls list get status list-units jobs running instances is-active is-running
inst log: logs tail trace journal journalctl less history
inst inout: pipe filter chat ask talk converse query prompt echo
inst attach: exec connect shell ssh chat talk console terminal repl fg interact join enter stdio tty sh bash
inst info: inspect describe show status get details ps is-active state explain
inst stop: end terminate quit close cancel halt down shutdown
inst kill: rm remove delete del destroy abort killall pkill drop force-stop
inst output: cat read out get result results receive recv print follow fetch head
inst log -f: follow
inst input: write in feed send put push say pipe
inst health: ping healthcheck alive check healthy is-healthy probe
inst wait: join await block poll finish done
inst events: watch subscribe listen on
inst event send: emit event signal trigger notify fire publish
inst stdin: type say enter
seq list: ls images list get ps sequences status store
seq rm: rm remove delete del rmi undeploy destroy uninstall unload drop
seq send: deploy push upload apply create add put import publish
seq start: create launch spawn bg nohup detach background up instantiate run:detached schedule
seq run: exec execute invoke call test
seq pack: build package bundle zip tar archive compress
seq info: inspect describe show get details
seq prune: clean cleanup gc clear purge
topic get: read cat consume subscribe output listen tail receive
topic send: write publish produce put input push emit
topic list: ls topics
topic rm: remove delete del drop
topic create: add new make
profile list: ls get-contexts profiles
profile use: switch select set login use-context use activate
profile show: get info inspect current print current-context view
profile create: add new set make set-context
profile rm: remove delete del drop
hub start: serve up daemon launch run create server local
hub log: logs tail journal
hub info: version status show inspect describe cluster-info get
hub doctor: check diagnose ping status health whoami debug test is-running token
hub load: top stats usage htop df metrics
hub page: open dashboard ui web gui browse console
dev: watch debug reload edit
--version: version
--help: help
""")
"""Names of the verbs in other tools, by the verbs' names here."""

_KIN = {"inst": ("seq",), "seq": ("inst",)}
"""The groups whose verbs a user of a group may look for in it."""

_ELSEWHERE = {
    "inst": ("hub load",),
    "seq": ("hub load", "dev"),
    "hub": ("inst list", "seq list", "dev"),
    "profile": ("hub doctor",),
}
"""Further verbs that may be meant in a group, if the table of verbs has the word for them."""


@functools.cache
def _advice_in(table: str) -> dict[tuple[str, str], str]:
    """Return the advice for each place and word of a table of what is not here.

    A line of it has groups or verbs ("scramjet" is the root, "*" is everywhere) and words; the advice stands below it,
    indented, where `{here}` is the group or verb. The first line counts. Only a wrong word needs all this.
    """
    advice: dict[tuple[str, str], str] = {}
    for row in table.strip().replace("\n    ", "\t").splitlines():
        head, *said = row.split("\t")
        places, _, words = head.partition(": ")
        for each in itertools.product(places.split(", "), words.split()):
            advice.setdefault(each, " ".join(said))
    return advice


_NO_COMMAND = """
hub: stop down kill restart reload shutdown quit end exit rm remove delete
    Ctrl-C, or SIGTERM, ends the hub of `scramjet hub start`
scramjet: down
    `scramjet inst stop` ends an instance, and Ctrl-C the hub of `scramjet hub start`
scramjet, inst, seq: restart reload reboot ps:restart rerun
    a hub restarts nothing: `scramjet inst stop` ends an instance, and `scramjet seq start` starts a new one
scramjet, inst, seq: pause unpause suspend resume freeze
    a hub can't pause an instance; `scramjet inst stop` ends it
scramjet, inst: cp copy sftp rsync download
    files can't be copied from or to an instance; `scramjet inst input` sends one, `scramjet inst output -o FILE` writes
    one
seq: cp copy
    a sequence can't be copied; `scramjet seq send` sends its package to another hub
scramjet, inst, seq: scale autoscale ps:scale replicas
    a hub has no replicas: each `scramjet seq start` starts one more instance
scramjet, seq: pull save export clone download
    a hub does not give packages back; `scramjet seq pack` makes one of a folder here
scramjet, seq: replace update upgrade patch
    `scramjet seq send PATH --replace SEQ` replaces the package of a sequence (1.x)
scramjet, seq, inst: rollback rollout revert
    a hub keeps no versions; send the older package again (`scramjet seq send PATH --replace SEQ`)
scramjet, seq: rename tag label annotate
    a sequence's name is that of its package.json; `scramjet seq send` sends it anew
inst: rename tag label
    an instance's id is given at its start: `--id ID` (1.x)
inst, seq, topic, hub: use switch select
    `scramjet` keeps no choice: name it each time. `scramjet profile use` chooses the hub
scramjet, hub: audit
    the command does not show it; in Python, `host.get_audit_stream()` does
hub: config settings configuration
    the command does not show it; in Python, `host.get_config()` does
scramjet: space spaces manager managers organization org
    the command speaks to one hub; in Python, `MiddlewareClient` finds the hubs of a platform
scramjet, inst, seq, profile: env environment secret secrets variables vars config:set set-env
    a hub gives programs no environment variables; `--config JSON` of `scramjet seq start` gives settings
scramjet, inst, seq: port ports port-forward forward proxy expose publish-port
    a hub forwards no ports; `scramjet inst inout` sends and reads, `scramjet hub page` is for browsers
scramjet, seq, dev: init new scaffold generate setup
    a Python file with a function `run(context, input)` is enough; `scramjet dev FILE` runs it
scramjet, hub: login signin
    there are no sessions: SCRAMJET_TOKEN gives a token, and `scramjet profile create NAME --url URL` names a hub
scramjet, hub, profile: logout signin signout
    there are no sessions: the token is that of SCRAMJET_TOKEN, or of a profile of si
scramjet, seq, inst: install
    `scramjet seq send PATH -r requirements.txt` installs requirements into a package
scramjet, inst: enable disable mask unmask daemon-reload
    a hub starts nothing by itself; `scramjet seq start` starts an instance
"""
"""Commands of other tools that have no counterpart, by group."""

_OPTIONS = _lists("""
--follow: --watch --stream -w --live
--limit: --wait --time --max-time --for --duration --deadline
--lines: --head --count --max -c --first --num
--all: --everything --full --no-filter -a --details
--level: --loglevel --log-level --severity --min-level -l --priority
--json: --raw -j
--ids: --short --only-ids --no-headers --noheader
--names: --short --only-names --no-headers --noheader
--quiet: --silent -s -q --no-progress
--debug: --verbose -v -vv -vvv --trace -D
--force: -f --yes -y --now
--url: --api --api-base --hub --server --address -H --endpoint
--profile: --context --kube-context
--ca: --cacert --ca-bundle --ca-cert --certificate-authority
--insecure: -k --no-verify --insecure-skip-tls-verify --skip-verify
--config: --app-config --set --config-string --config-file --configuration --params --settings
--args: --arg -a --argument --arguments
--input: --file --in --from --input-file
--output: --out --file --to --save --output-file
--time: --grace-period --grace --wait --delay --stop-timeout
--id: --name --instance-id --inst-id
--memory: -m --mem --memory-limit --vm-memory --limits
--type: --content-type --contenttype --mime --mime-type
--requirements: --requirement --reqs --deps --dependencies
--replace: --update --overwrite
--value: --json-value --data -d --message -m
--end: --eof --close --finish --done -e
--status: --for --condition --until --state
--list: --dry-run --show --preview -n
--host: --bind --address --listen --interface -b -H --ip
--storage: --data --dir --data-dir --directory --sequences-root --store
--no-token: --no-auth --insecure-no-auth --anonymous
--pdb: --debugger --breakpoint
--port: -p --publish --listen-port
--once: --no-reload --no-watch --single
--forget: --remove-immediately --rm
--version: -v -version
""")
"""Names of options in other tools, by the options' names here."""

_READING = "inst output, inst stdout, inst stderr, topic get"
_LOGS = "inst log, hub log"
_STARTING = "seq start, seq run"
_LISTS = "inst list, seq list, topic list, profile list"

_NO_OPTION = f"""
seq run: -d --detach --background --bg
    `scramjet seq start` starts an instance and does not wait for its end
seq start: -d --detach --background --bg
    it does not wait for the end anyhow
seq run: --rm --no-keep --remove --delete
    what was sent from a path is deleted at the end anyhow (not with `--keep`)
seq start: -i --input --stdin --no-input --follow -o --output --output-only --log --limit --rm --keep --wait --attach \
-a --stream
    `scramjet seq run` feeds a program and shows what it gives; `scramjet inst input` and `scramjet inst output` do it
    after a start
seq run, seq start, inst attach, dev: -it -ti --tty --interactive
    no terminal is needed: `scramjet seq run` feeds stdin to the program, `scramjet inst attach` connects a terminal to
    one that runs
inst attach: -i -t --stdin
    what you type goes to its stdin anyhow
inst attach: --detach-keys --sig-proxy
    Ctrl-C detaches, and the instance goes on
{_STARTING}, dev: -e --env --env-file --env-vars --environment --secret --secrets
    a hub gives programs no environment variables; `--config JSON` gives settings
{_STARTING}, dev, seq send: --volume --mount --volumes -v
    a hub mounts nothing; files of the sequence's folder go along with it
{_STARTING}: --cpus --cpu --gpus --gpu --vm-size --vm-cpus --cpu-shares --memory-swap --pids-limit
    a hub limits memory only: `--memory MB`
{_STARTING}: --restart --restart-policy
    a hub restarts nothing
{_STARTING}: --port --publish --expose --network --net
    a hub forwards no ports; data goes through input, output, events and topics
{_STARTING}, inst attach: --config-json --startup-config
    `--config JSON` gives the configuration
{_STARTING}, dev: -f -s
    `--config JSON`, or `--config @FILE`, gives the configuration
{_STARTING}: --replicas --scale --instances -n --count
    each start is of one instance
inst kill: --force -f --now -9 --grace-period --time -t --yes -y
    it kills at once, and asks nothing
inst kill: --signal -s
    it always sends SIGKILL; `scramjet inst stop` asks first
inst stop: --signal -s
    it calls the program's stop handler; a hub sends no signals. `scramjet inst kill` kills
inst stop: --force -f --now -9 --kill
    `scramjet inst kill` kills at once
inst stop, inst kill: --all -a
    name them: `{{here}} $(scramjet inst list -q)`
seq rm: --all -a
    `scramjet seq prune --all` deletes all that nothing runs of
{_LOGS}: --tail --last -t
    `--follow` goes on with what comes, and for the last lines there is `| tail -n N` (`--lines` takes the first)
{_READING}: --tail --last
    it follows anyhow, and for the last lines there is `| tail -n N` (`--lines` takes the first)
{_LOGS}, {_READING}, inst events: --since --since-time --until -S -U --from --to --after --before --from-beginning
    a hub can't choose by time; what nobody has read yet comes first
{_LOGS}: --timestamps --time --times -T
    each record is shown with its time anyhow
{_READING}: --timestamps --time --times -T
    the data comes as the program gave it; the log has times
{_LOGS}, {_READING}, {_LISTS}: --grep -g --filter --search --selector -l --label --field-selector
    `| grep WORD` chooses lines, and `--json` is for other tools
{_LOGS}, {_LISTS}: --reverse -r
    `| tac` turns the lines round
{_LISTS}: --sort --sort-by --order
    `| sort` sorts the lines
{_LISTS}: --no-trunc --wide
    in a pipe, and with `--json`, the ids and names are whole
{_LISTS}: -f
    `watch {{here}}` shows it again and again, and `| grep WORD` chooses lines
{_LISTS}: --watch -w --follow
    `watch {{here}}` shows it again and again
seq list, topic list, profile list: -a --all
    it lists all anyhow
{_LISTS}: -n --last --limit --head --tail --lines
    `| head -n N` and `| tail -n N` choose lines
inst list: --status --state --running --stopped -r
    `| grep running` chooses lines, and `--json` is for other tools
inst input, inst stdin, topic send, inst inout: --text --message --data --value --string -m -d --line
    text comes through a pipe: `echo hello | {{here}} NAME -`
inst input, inst stdin, topic send, inst inout: --file -f -i --input --stdin
    the file's name is the last word, and `-` is stdin
inst inout: --eof --end --close
    it ends the input anyhow (not with `--no-end`)
topic send: --eof --end --close
    a topic has no end; it is open to all that send to it
inst event send, inst event wait, inst events: --name --event -e
    the event's name is the word behind the instance
seq send, seq pack: --name --tag -t --version --id
    name and version are those of the package.json
seq send: --dry-run --list -l
    `scramjet seq pack PATH --list` shows what would go
seq send, seq pack: --exclude --ignore
    a file `.siignore` in the folder names them
seq send, seq pack, dev, replay, seq run, seq start, seq info, inst info: --file --path
    the path is a word without an option
dev: --reload --watch --auto-reload --hot -w
    it runs the program anew at each save anyhow
dev: -d --detach --background --workers --reload-dir
    it runs in this terminal until Ctrl-C; `scramjet seq start` leaves a program on a hub
hub start, hub page: -d --daemon --detach --background --daemonize
    it runs until Ctrl-C; the shell's `&`, or a service, keeps it in the background
hub start: --token --password --auth --api-key
    SCRAMJET_HUB_TOKEN gives a hub its token
hub start: --url --api-url -u
    `--host` and `--port` say where it listens
hub start: --ca --insecure --cert --key --tls --https
    it speaks HTTP without TLS
hub start: --profile
    it asks no hub
hub start: --timeout --limit
    it runs until Ctrl-C; `timeout 60 {{here}}` ends it
profile create: --token
    a profile that is made here has no token; SCRAMJET_TOKEN gives one to the command
profile list, profile show, profile use, profile rm, seq pack, completion: --url --api-url -u --profile -p --token
    it asks no hub
profile list, profile show, profile use, profile rm, seq pack, completion: --ca --insecure --timeout
    it asks no hub
profile create: --profile -p --ca --insecure --timeout
    it asks no hub
hub start, hub page: --open --browser
    its note on a terminal has the page's address
hub start: --workers --threads --reload
    it needs none: each program is a process
inst info, seq info, hub info: --watch -w --follow -f
    `watch {{here}}` shows it again and again
*: --force --yes -y -f --no-input --assume-yes --no-confirm
    nothing here asks before it acts
*: --color --colour --no-color --no-colour --colors
    NO_COLOR=1 in the environment turns colours off
*: --no-pager --pager
    there is no pager
*: --namespace --all-namespaces -A --app --space --region --org
    a hub has no parts; `--url` or `--profile` names the hub
*: --version
    `scramjet --version` says it
"""
"""Options of other tools that have no counterpart, by verb."""

_TAKES = """
hub start, hub page
    `--host HOST` and `--port PORT` say where it listens
hub info, hub log, hub load, hub doctor
    `--url URL` or `--profile NAME` names the hub
inst list, seq list, topic list, profile list
    it lists all; `| grep WORD` chooses lines
seq prune
    it deletes all that it finds; `scramjet seq rm` deletes those that are named
seq pack
    it packs one folder or file, and `-o FILE` names the package
seq send
    it sends one folder, file or package, whose package.json has the name
inst log, inst output, inst stdout, inst stderr
    it is about one instance; `| grep WORD` chooses lines
seq info, inst info, inst health
    it is about one; `for each in ...; do {here} $each; done` goes through several
inst events, inst event wait
    it waits for events of one name
inst event send
    a message of several words is written in quotes
inst input, inst stdin, inst inout, topic send
    it sends one file; `cat FILE... | {here} NAME -` sends several
inst attach
    it starts nothing in the instance; what you type goes to the stdin of its program
topic get
    it reads one topic
topic create
    it makes one topic
profile use, profile show
    it is about one profile; `scramjet profile create NAME --url URL` makes one
profile create
    `--url URL` says where the hub is
replay
    the program is one path; its arguments are in the trace
"""
"""What to say of one word too many, by verb; the advice stands below the verbs."""

_TOOLS = _lists("""
: scramjet si docker docker-compose compose podman kubectl npm npx gh heroku systemctl sudo modal fly flyctl
""")[""]
"""Tools whose name is typed in front of their words."""

_HELP = ("help", "/?", "?", "man", "-help", "-?", "--h", "--?", "--hlep", "-H")
"""What is typed for `--help`."""

_FORMATS = ("-o", "--output", "--format", "--out", "--template", "--fmt")
"""Options of other tools that choose a format. In some, `-o` and `--output` are a file."""

FORMATS = ("json", "jsonl", "ndjson", "yaml", "yml", "xml", "wide", "table")
"""Formats that `-o` chooses in other tools. No name of a file is one of these."""

_USUAL = {
    "": "seq run",
    "seq": "seq run",
    "inst": "inst info",
    "inst event": "inst event send",
    "topic": "topic get",
}
"""The usual verb of each group, for a line that lacks one."""


def _commands(group: click.Group, ctx: click.Context, path: str = "") -> Iterator[str]:
    for name in group.list_commands(ctx):
        command = group.get_command(ctx, name)
        if isinstance(command, click.Group):
            yield from _commands(command, ctx, f"{path}{name} ")
        else:
            yield f"{path}{name}"


def about_command(
    word: str, rest: Sequence[str], group: click.Group, ctx: click.Context
) -> click.UsageError:
    """Return the error about a word that is not a command of a group; `rest` are the words behind it."""
    here = ctx.command_path
    root = ctx.find_root()
    assert isinstance(root.command, click.Group)
    prefix = here[len(root.command_path) :].strip()
    lower = word.lower()
    said = f"there is no command {word!r} in `{here}`"
    if not prefix and lower in _TOOLS and rest:
        word, lower, rest = rest[0], rest[0].lower(), rest[1:]
    names = group.list_commands(ctx)
    everything = list(_commands(root.command, ctx))
    advice = _instead(word, prefix, names, ctx)
    if advice is not None:
        return Advice(f"{said}; {advice}", ctx)
    if lower in _HELP or _slips(lower, _HELP[:1]):
        meant = [" ".join(filter(None, (prefix, *_command_in(rest, prefix, everything), "--help")))]
    else:
        meant = _ordered(word, rest, prefix, everything)
    if len(meant) == 1:
        # The command that the line means in another order may be one for which there is advice.
        place, _, verb = meant[0].rpartition(" ")
        advice = _advice(_NO_COMMAND, place, verb, here) if place else None
        if advice is not None:
            return Advice(f"{said}; {advice}", ctx)
    ordered = bool(meant)
    meant = meant or _verbs_of(lower, prefix, everything)
    if not prefix and not ordered:
        meant += [name for name, others in _GROUPS.items() if lower in others]
        named = [each for each in meant if not each.startswith(("hub ", "-"))]
        if rest and not rest[0].startswith("-"):
            # The verbs of a hub take no name.
            meant = named or meant
        last = ("topic ", "profile ", "hub ") if rest else ("topic ", "profile ")
        meant.sort(key=lambda each: each.startswith(last))
    if not meant:
        # A word that is known by its meaning is hardly a misspelt other one.
        below = f"{prefix} " if prefix else ""
        meant += [f"{below}{each}" for each in _slips(lower, names)]
    if not meant:
        kin = tuple(f"{each} " for each in _KIN.get(prefix, ()))
        beside = [each for each in everything if kin and each.startswith(kin)]
        meant += [each for each in beside if each.split()[-1] == lower]
        beside += _ELSEWHERE.get(prefix, ())
        meant += [each for each in _known(lower, _VERBS) if _verb(each) in beside]
    if not meant:
        meant = _by_slips(lower, prefix, everything)
    return Advice(_sentence(said, root.command_path, meant, here), ctx)


def _instead(word: str, prefix: str, names: Sequence[str], ctx: click.Context) -> str | None:
    """Return what to do instead of a word that no command is meant with; None if one may be."""
    command = ctx.find_root().command_path
    if "://" in word:
        return f"the hub is named by an option: `{command} --url {word}`"
    taken = _swallowed(ctx) if not prefix else None
    if taken is not None:
        return taken
    if not _slips(word.lower(), names):
        advice = _advice(_NO_COMMAND, prefix, word.lower(), ctx.command_path)
        if advice is not None:
            return advice
    if prefix in _USUAL and _is_name(word) and word not in _HELP:
        return f"the verb comes first, such as `{command} {_USUAL[prefix]} {word}`"
    return None


def _swallowed(ctx: click.Context) -> str | None:
    """Return the advice on an option of the command whose value is missing, so that it took a group for it."""
    from scramjet_client.cli._session import given  # noqa: PLC0415 - for a wrong word alone

    root = ctx.find_root().command
    assert isinstance(root, click.Group)
    for name, value in given(ctx).items():
        if value in root.list_commands(ctx):
            return f"`--{name}` takes a value, and took {value!r} for it"
    return None


def _command_in(line: Sequence[str], prefix: str, everything: Sequence[str]) -> list[str]:
    """Return the words at the beginning of a line that are a command of a group, or a group."""
    found: list[str] = []
    for each in line:
        path = " ".join(filter(None, (prefix, *found, each)))
        if not any(f"{known} ".startswith(f"{path} ") for known in everything):
            break
        found.append(each)
    return found


def _ordered(word: str, rest: Sequence[str], prefix: str, everything: Sequence[str]) -> list[str]:
    """Return the commands that a word may mean together with those behind it, or that were written as one word."""
    given, word = word, word.lower()
    letters = "".join(filter(str.isalpha, word))
    joined = [each for each in everything if each.replace(" ", "") == f"{prefix}{letters}"]
    joined += [each for each in everything if not prefix and each.replace(" ", "") == letters]
    if joined:
        return joined[:1]
    parts = re.split("[-:./_]", word)
    if not prefix and len(parts) == 2 and all(parts):
        return _ordered(parts[0], parts[1:], prefix, everything)
    if not rest:
        return []
    second = rest[0].lower()
    if not prefix:
        for group, verb in ((second, word), (word, second)):
            of = _group_of(group, everything)
            found = _verbs_of(verb, of, everything) if of else []
            if of and not found and _advice(_NO_COMMAND, of, verb, "") is not None:
                found = [f"{of} {verb}"]
            if found:
                return found
        return []
    if f"{prefix} {second}" in everything and not _verbs_of(word, prefix, everything):
        return [f"{prefix} {second} {given}"]
    return []


def _group_of(word: str, everything: Sequence[str]) -> str:
    """Return the group that a word names here or in other tools, or ""."""
    groups = list(dict.fromkeys(each.split()[0] for each in everything if " " in each))
    found = [word] if word in groups else list(_known(word, _GROUPS)) or _slips(word, groups)
    return found[0] if len(found) == 1 else ""


def _verbs_of(word: str, prefix: str, everything: Sequence[str]) -> list[str]:
    """Return the commands of a group that a word names here or in other tools."""
    inside = [each for each in everything if not prefix or each.startswith(f"{prefix} ")]
    found = [each for each in inside if each.split()[-1] == word]
    found += [each for each in _known(word, _VERBS) if _verb(each) in inside]
    return found + [each for each in _known(word, _VERBS) if not prefix and each[:1] == "-"]


def _by_slips(word: str, prefix: str, everything: Sequence[str]) -> list[str]:
    """Return the commands of a group that a shortened word may mean, or a misspelt one of another tool."""
    below = f"{prefix} " if prefix else ""
    inside = [each for each in everything if each.startswith(below)]
    children = dict.fromkeys(each[len(below) :].split()[0] for each in inside)
    begun = [f"{below}{each}" for each in children if len(word) > 2 and each.startswith(word)]
    if begun or len(word) < _LONG:
        return begun
    for near in _slips(word, _long(_VERBS)):
        begun += _verbs_of(near, prefix, everything)
    if not begun and not prefix:
        begun = [group for each in _slips(word, _long(_GROUPS)) for group in _known(each, _GROUPS)]
    return begun


_LONG = 5
"""Letters from which a word of another tool is looked for behind a misspelt one."""


def _long(table: dict[str, tuple[str, ...]]) -> list[str]:
    return [each for each in dict.fromkeys(itertools.chain(*table.values())) if len(each) >= _LONG]


def about_option(
    option: str, command: click.Command, ctx: click.Context, line: Sequence[str] = ()
) -> click.UsageError:
    """Return the error about an option that a command does not have; `line` are the words of the command."""
    path = ctx.command_path
    prefix = path[len(ctx.find_root().command_path) :].strip()
    here = [
        name
        for param in command.params
        if isinstance(param, click.Option)
        for name in (*param.opts, *param.secondary_opts)
        if name.startswith("--")
    ]
    bare, value = _written(option, line, here)
    said = f"`{path}` has no option {bare!r}"
    meant = _long_with_a_dash(bare, here)
    advice = None if meant else _advice(_NO_OPTION, prefix, bare, path)
    if advice is None and not meant and bare in _FORMATS and "--json" in here:
        advice, meant = _about_format(value, here)
    if not advice and not meant:
        advice = _about_number(bare, here)
    if not advice and not meant:
        meant = [each for each in _known(bare, _OPTIONS) if each in here]
    if not advice and not meant:
        meant = _near_option(bare, here)
    if not advice and not meant:
        advice = _advice(_NO_OPTION, "*", bare, path)
    if advice is not None:
        return Advice(f"{said}; {advice}", ctx)
    found = _sentence(said, "", meant, path)
    if any(param.name == "words" for param in command.params):
        joint = " An" if meant else "; an"
        found += f"{joint} argument of the program comes behind `--`, as in `{path} ... -- {bare}`"
    return Advice(found, ctx)


def _written(option: str, line: Sequence[str], here: Sequence[str]) -> tuple[str, str | None]:
    """Return an option as it was written, and its value: the parser takes `-json` for `-j`."""
    bare, equals, value = option.partition("=")
    words = line[: line.index("--")] if "--" in line else line
    for at, each in enumerate(words):
        name, equals, value = each.partition("=")
        if name == bare:
            after = words[at + 1] if at + 1 < len(words) else ""
            return bare, value if equals else after
        if len(bare) == 2 and each[:1] == "-" and each[:2] != "--" and bare[1] in name:
            if _long_with_a_dash(name, here) or name[1:].isdigit():
                return name, None
            if bare in _FORMATS and each.startswith(bare):
                return bare, each[2:]
    return bare, value if equals else None


def _long_with_a_dash(bare: str, here: Sequence[str]) -> list[str]:
    """Return the long option that was written with one dash, or help in another form."""
    if bare in _HELP or (len(bare) > 4 and _slips(bare.lstrip("-"), _HELP[:1])):
        return ["--help"]
    return [f"-{bare}"] if f"-{bare}" in here else []


def _about_format(value: str | None, here: Sequence[str]) -> tuple[str | None, list[str]]:
    """Return the advice on an option that chooses a format or a file in other tools, or the option that is meant."""
    word = (value or "").lower()
    if word in ("json", "jsonl", "ndjson", "json-pretty"):
        return None, ["--json"]
    if word == "name":
        return None, [each for each in ("--ids", "--names", "--json") if each in here][:1]
    if word == "wide":
        return "in a pipe, and with `--json`, the ids and names are whole", []
    chosen = (
        word in FORMATS or "{" in word or word.startswith(("go-template", "jsonpath", "custom-"))
    )
    if (
        value
        and not value.startswith("-")
        and not chosen
        and word not in ("text", "csv", "tsv", "plain")
    ):
        return f"`> {value}` writes what it prints to a file, and `--json` makes it JSON", []
    return (
        "`--json` makes it JSON, which there is besides text, and `> FILE` writes it to a file",
        [],
    )


def _about_number(bare: str, here: Sequence[str]) -> str | None:
    """Return the advice on a number of lines that is written as an option, as for `head`."""
    if bare[1:].isdigit() and "--lines" in here:
        return f"`-n {bare[1:]}` takes the first lines, and for the last ones there is `| tail -n {bare[1:]}`"
    return None


def about_extra(error: click.UsageError, ctx: click.Context) -> click.UsageError:
    """Return the error about words too many, with what a verb takes; any other error as it is."""
    if type(error) is not click.UsageError or "unexpected extra" not in error.message:
        return error
    path = ctx.command_path
    prefix = path[len(ctx.find_root().command_path) :].strip()
    advice = _advice_on_extra().get(prefix)
    if advice is None:
        return error
    word = error.message.partition("(")[2].removesuffix(")")
    if prefix in ("hub start", "hub page") and word.rpartition(":")[2].isdigit():
        advice = f"`--port {word.rpartition(':')[2]}` says where it listens"
    return Advice(f"`{path}` takes no more words: {word}; {advice.format(here=path)}", ctx)


def _advice_on_extra() -> dict[str, str]:
    rows = (row.split("\t") for row in _TAKES.strip().replace("\n    ", "\t").splitlines())
    return {place: said for places, said in rows for place in places.split(", ")}


def about_terminal(line: Sequence[str], ctx: click.Context) -> click.UsageError | None:
    """Return the error about docker's `-it`, which the parser takes for `-i` with the value "t"; None without one."""
    options = line[: line.index("--")] if "--" in line else line
    found = next((each for each in options if each in ("-it", "-ti")), None)
    path = ctx.command_path
    prefix = path[len(ctx.find_root().command_path) :].strip()
    advice = None if found is None else _advice(_NO_OPTION, prefix, found, path)
    return None if advice is None else Advice(f"`{path}` has no option {found!r}; {advice}", ctx)


def _slips(word: str, names: Sequence[str]) -> list[str]:
    from scramjet_client._common.names import slips  # noqa: PLC0415 - for a wrong word alone

    return slips(word, names)


def _advice(table: str, where: str, word: str, here: str) -> str | None:
    found = _advice_in(table).get((where or "scramjet", word))
    return None if found is None else found.format(here=here)


def _is_name(word: str) -> bool:
    """Return whether a word is hardly meant as a command: it is a path, or has the form of an id."""
    path = word.endswith((".py", ".gz", ".tgz")) or "/" in word
    return path or (len(word) >= 4 and any(each.isdigit() for each in word))


def _verb(path: str) -> str:
    """Return the command of a suggestion, which may end with an option."""
    return path.partition(" -")[0]


def _known(word: str, table: dict[str, tuple[str, ...]]) -> Iterator[str]:
    return (name for name, others in table.items() if word in others)


def _near_option(bare: str, here: Sequence[str]) -> list[str]:
    """Return the options that a misspelt or shortened one may mean."""
    if not bare.startswith("--"):
        return []
    plain = {each[2:].replace("-", "_"): each for each in here}
    word = bare[2:].replace("-", "_")
    near = _slips(word, list(plain))
    if near:
        return [plain[each] for each in near]
    begun = [each for each in here if each.startswith(bare)] if len(bare) >= 5 else []
    if begun or len(word) < _LONG:
        return begun
    others = {each[2:].replace("-", "_"): each for each in _long(_OPTIONS)}
    known = [name for each in _slips(word, list(others)) for name in _known(others[each], _OPTIONS)]
    return [each for each in known if each in here]


def _sentence(said: str, prefix: str, meant: Iterable[str], here: str) -> str:
    words = [f"`{prefix} {each}`".replace("` ", "`") for each in dict.fromkeys(meant)][:3]
    if words:
        return f"{said}; did you mean {' or '.join(words)}?"
    return f"{said}; `{here} --help` shows what there is"
