"""The table."""

import os
import platform
import re
import subprocess

from rows import DISTRIBUTION, DOCKER, NGINX, OURS, TITLES, YARDSTICK, ZOT


def number(value):
    if value >= 1000:
        return f"{value:,.0f}"
    if value >= 100:
        return f"{value:.0f}"
    return f"{value:.3g}"


def cell(row, name):
    values = row.values.get(name)
    if not values:
        return ""
    text = number(row.median(name))
    if len(values) > 1:
        text += f" ({number(min(values))}–{number(max(values))})"
    return text


def ratio(row, name):
    ours, theirs = row.median(OURS), row.median(name)
    return "" if ours is None or not theirs else f"{ours / theirs:.3g}"


def goals(row):
    words = {None: "", True: " met", False: " **missed**"}
    return "; ".join(goal.text() + words[goal.met(row)] for goal in row.goals)


def table(rows):
    names = [name for name in TITLES if any(row.values.get(name) for row in rows)]
    others = [name for name in names if name != OURS]
    titles = [TITLES[name] for name in names] + [f"÷ {TITLES[name]}" for name in others]
    lines = [["", *titles, "goal"], ["---"] + ["--:"] * len(titles) + ["---"]]
    for row in rows:
        line = [f"{row.title} ({row.unit})"]
        line += [cell(row, name) for name in names]
        line += [ratio(row, name) for name in others]
        lines.append(line + [goals(row)])
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)


def congestion():
    with open("/proc/sys/net/ipv4/tcp_congestion_control") as f:
        return f.read().strip()


def machine():
    with open("/proc/cpuinfo") as f:
        model = re.search(r"^model name\s*:\s*(.*)$", f.read(), re.M)
    with open("/proc/meminfo") as f:
        memory = int(re.search(r"MemTotal:\s+(\d+)", f.read())[1]) / (1 << 20)
    model = model[1] if model else platform.machine()
    return (
        f"{os.cpu_count()} cores ({model}), {memory:.0f} GiB, Linux {platform.release()}, "
        f"TCP with {congestion()}"
    )


VERSION_OPTIONS = {
    OURS: "version",
    ZOT: "--version",
    DISTRIBUTION: "--version",
    DOCKER: "--version",
    NGINX: "-v",
}


def version(server):
    command = [server.program, VERSION_OPTIONS[server.name]]
    done = subprocess.run(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    text = (done.stdout.strip().splitlines() or ["?"])[0]
    if server.name == ZOT:  # a record of its log
        found = re.search(r'"commit":"([^"]*)"', text)
        text = f"zot {found and found[1] or 'that tells no version'}"
    return text.replace(server.program, os.path.basename(server.program))


def versions(servers):
    return "; ".join(version(servers[name]) for name in VERSION_OPTIONS if name in servers)


def content(servers):
    """Where their content is, when it is in S3."""
    places = {server.place.text() for server in servers.values() if hasattr(server, "place")}
    return "".join(f" Content is in S3: {text}." for text in places)


def page(rows, options, servers, failures, strangers):
    notes = [f"- {row.title}: {row.note}" for row in rows if row.note]
    notes += [f"- {failure}" for failure in failures]
    yardstick = "The yardstick is a bare loop that receives, hashes and writes in one thread. "
    return "\n".join(
        [
            "# Benchmark",
            "",
            f"Machine: {machine()}. Everything runs on it, clients too, over loopback; other processes "
            f"took {strangers.share:.0%} of its CPU time meanwhile.",
            f"Compared: {versions(servers)}.{content(servers)}",
            "",
            f"Medians of {options.runs} interleaved runs (lowest–highest). "
            f"{yardstick if YARDSTICK in servers else ''}"
            "A ÷ column is CyberDock's median divided by the other's.",
            "",
            table(rows),
            "",
            *notes,
            "",
        ]
    )
