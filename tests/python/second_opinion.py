"""Compares reports by browser, system and referrer with a count made without linkledger's code."""

import collections
import csv
import json
import os
import pathlib
import re
import subprocess
import sys
import tempfile
import time
import urllib.parse
import urllib.request

import ua_parser

KEY = "llk_second_opinion_0123456789"
AGREEMENT_MIN = {"browser": 0.97, "os": 0.97, "referrer": 1.0}
NONE = "(none)"
# How long a service may take to start.
PATIENCE_S = 60


def clicks(path):
    """(user agent, referrer) of every click that a file tells of."""
    text = path.read_text(encoding="utf-8")
    if path.suffix == ".tsv":
        lines = [line for line in text.split("\n") if line and not line.startswith("#")]
        for row in csv.DictReader(lines, delimiter="\t", quoting=csv.QUOTE_NONE):
            for _ in range(int(row.get("weight") or 1)):
                yield row["user_agent"], row.get("referrer") or ""
        return
    for line in text.split("\n"):
        click = json.loads(line) if line.strip() else {}
        if "h" in click and "u" in click:
            referrer = click.get("r") or ""
            yield click.get("a") or "", "" if referrer == "direct" else referrer


def opinion(found):
    """What they come to without linkledger: clicks by name, for each dimension."""
    counted = {by: collections.Counter() for by in AGREEMENT_MIN}
    for (agent, referrer), number in found.items():
        parsed = ua_parser.parse(agent)
        counted["browser"][parsed.user_agent.family if parsed.user_agent else "Other"] += number
        counted["os"][parsed.os.family if parsed.os else "Other"] += number
        host = urllib.parse.urlsplit(referrer).hostname if "://" in referrer else None
        counted["referrer"][(host or "").rstrip(".") or NONE] += number
    return counted


def reports(binary, found, room):
    """What linkledger's reports say after a replay."""
    recording = room / "clicks.jsonl"
    with recording.open("w", encoding="utf-8") as out:
        for (agent, referrer), number in found.items():
            click = {"h": "second", "u": "https://example.com/", "a": agent, "r": referrer or "direct"}
            out.writelines([json.dumps(click) + "\n"] * number)
    addresses = {f"LINKLEDGER_{name}_ADDR": "127.0.0.1:0" for name in ("REDIRECT", "API", "METRICS")}
    settings = addresses | {"LINKLEDGER_DATA_DIR": str(room / "data"), "LINKLEDGER_OPERATOR_KEY": KEY}
    environment = {"PATH": os.environ["PATH"]} | settings
    replay = [binary, "replay", str(recording)]
    subprocess.run(replay, env=environment, check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    printed = room / "printed"
    with printed.open("w") as out:
        service = subprocess.Popen([binary], env=environment, stdout=out, stderr=subprocess.DEVNULL)
    try:
        return {by: report(api_address(service, printed), by) for by in AGREEMENT_MIN}
    finally:
        service.terminate()
        service.wait()


def api_address(service, printed):
    until = time.monotonic() + PATIENCE_S
    while time.monotonic() < until and service.poll() is None:
        found = re.search(r"API .*listening on (.*)\)\n", printed.read_text())
        if found:
            return found[1]
        time.sleep(0.05)
    sys.exit("linkledger did not start")


def report(address, by):
    request = urllib.request.Request(f"http://{address}/v1/reports?by={by}&limit=10000")
    request.add_header("Authorization", f"Bearer {KEY}")
    with urllib.request.urlopen(request) as answer:
        rows = json.load(answer)["rows"]
    return collections.Counter({row["label"][by]: row["clicks"] for row in rows})


def compare(binary, path):
    """Prints how far both agree; whether that is far enough."""
    recorded = collections.Counter(clicks(path))
    if not recorded:
        sys.exit(f"{path} tells of no clicks")
    each_once = collections.Counter({(agent, ""): 1 for agent, _ in recorded})
    enough = True
    for what, found in (("clicks", recorded), ("user agents, each once", each_once)):
        with tempfile.TemporaryDirectory() as room:
            ours = reports(binary, found, pathlib.Path(room))
        for by, theirs in opinion(found).items():
            agreed = (ours[by] & theirs).total() / theirs.total()
            right = agreed >= AGREEMENT_MIN[by] and ours[by].total() == theirs.total()
            enough = enough and right
            print(f"{'' if right else 'NOT '}ok  {agreed:8.3%} of {theirs.total():6} {what} by {by}  ({path.name})")
            for name, more in ((ours[by] - theirs) | (theirs - ours[by])).most_common(10):
                print(f"      {name}: {ours[by][name]} here, {theirs[name]} there; {more} apart")
    return enough


if __name__ == "__main__":
    agreed = [compare(sys.argv[1], pathlib.Path(name)) for name in sys.argv[2:]]
    sys.exit(0 if all(agreed) else 1)
