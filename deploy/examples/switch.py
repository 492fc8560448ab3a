#!/usr/bin/env python3
"""An action that starts and stops a program: a recorder, a player, a light.

    switch.py [SETTING=DEFAULT ...] -- PROGRAM [ARGUMENT ...]

`--arg start` of a capture starts the program, `--arg stop` ends it as Ctrl-C does. In its arguments {file} is
what it records to, which is brought when it is stopped, and {SETTING} is what `volley capture settings` or a
rig file sets. It never sees a shell. The lines that it speaks with its node are described in README.md,
"Your own action".
"""
import json
import os
import shutil
import signal
import subprocess
import sys
import time

END_SECONDS = 10
# one that fails at once (device busy, no such line) has not started
LOOK_SECONDS = 0.05

split = sys.argv.index("--")
defaults = dict(word.split("=", 1) for word in sys.argv[1:split])
template = sys.argv[split + 1:]
settings = dict(defaults)
running = None
recording = f"switch-{os.getpid()}"


def say(*words):
    print(*words, flush=True)


def fired(shot):
    say("fired", shot, f"{time.time() * 1000:.3f}")


def filled(argument):
    for name, value in {"file": recording, **settings}.items():
        argument = argument.replace("{" + name + "}", value)
    return argument


def tidy():
    """Removes what one that was killed had recorded."""
    for name in os.listdir():
        pid = name.removeprefix("switch-")
        if pid != name and pid.isdigit() and not os.path.exists(f"/proc/{pid}"):
            os.remove(name)


def note(shot, word):
    """A node is asked for a file of every shot."""
    name = f"{shot}-{word}.txt"
    with open(name, "w") as file:
        file.write(f"{word} {time.time():.3f}\n")
    say("done", shot, name)


def start(shot):
    global running
    if running is not None and running.poll() is None:
        return say("failed", shot, "it runs already; --arg stop ends it")
    running = subprocess.Popen(
        [filled(argument) for argument in template],
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
    )
    fired(shot)
    try:
        code = running.wait(LOOK_SECONDS)
    except subprocess.TimeoutExpired:
        code = 0
    if code == 0:
        return note(shot, "on")
    running = None
    say("failed", shot, f"{template[0]} ended with code {code}")


def end():
    running.send_signal(signal.SIGINT)
    try:
        running.wait(END_SECONDS)
    except subprocess.TimeoutExpired:
        running.kill()
        running.wait()


def stop(shot, file):
    global running
    if running is None:
        return say("failed", shot, "it does not run; --arg start starts it")
    fired(shot)
    end()
    running = None
    if not any("{file}" in argument for argument in template):
        return note(shot, "off")
    if not os.path.exists(recording) or os.path.getsize(recording) == 0:
        return say("failed", shot, f"{template[0]} recorded nothing")
    os.rename(recording, file)
    say("done", shot, file)


def change(wanted):
    unknown = [name for name in wanted if name not in defaults]
    options = [name for name, value in wanted.items() if value.startswith("-")]
    if unknown:
        say("failed settings there is no setting", unknown[0])
    elif options:
        say("failed settings", options[0], "must not begin with a dash")
    else:
        settings.update(defaults, **wanted)
        say("settings", json.dumps(settings))


def arm():
    if shutil.which(template[0]) is None:
        say("error", template[0], "is not installed")
    else:
        say("ready")


def fire(shot, file, asked, args="[]"):
    words = json.loads(args)
    try:
        if words == ["start"]:
            start(shot)
        elif words == ["stop"]:
            stop(shot, file)
        else:
            say("failed", shot, "say --arg start or --arg stop")
    except OSError as error:
        say("failed", shot, error)


tidy()
say("info", json.dumps({"model": os.path.basename(template[0]), "settings": list(defaults)}))
for line in sys.stdin:
    word, _, rest = line.rstrip("\n").partition(" ")
    if word == "arm":
        arm()
    elif word == "settings":
        change(json.loads(rest))
    elif word == "fire":
        fire(*rest.split(" ", 3))
if running is not None and running.poll() is None:
    end()
