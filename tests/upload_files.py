"""Rows for uploads, good ones and spoilt, and checking them."""

from __future__ import annotations

from restyle.prompts import RESTYLE_PROMPT
from restyle.training.hosts.upload_rules import HOSTS
from restyle.training.hosts.uploads import check_uploads
from support import plain_passage, styled_passage, write_rows

PROVIDERS = sorted(HOSTS)


def row(number, *, system=RESTYLE_PROMPT, source=None, target=None):
    return said(
        ("system", system), ("user", source or plain_passage(number)), ("assistant", target or styled_passage(number))
    )


def said(*messages, **others):
    return {"messages": [{"role": role, "content": content} for role, content in messages], **others}


TRAIN = [row(number) for number in range(60)]
VALID = [row(number) for number in range(60, 70)]
GOOD = TRAIN[0]["messages"]


def check(folder, train=TRAIN, valid=VALID, *, provider="openai", **options):
    valid_file = None if valid is None else write_rows(folder / "valid.jsonl", valid)
    return check_uploads(write_rows(folder / "train.jsonl", train), valid_file, provider=provider, **options)


def kinds(findings):
    return [(finding.severity, finding.kind) for finding in findings]


def only(findings, kind):
    [finding] = [finding for finding in findings if finding.kind == kind]
    return finding


def message(index, **changes):
    return {"messages": [{**each, **changes} if number == index else each for number, each in enumerate(GOOD)]}
