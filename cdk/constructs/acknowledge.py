"""Findings of the rule packs that stand, and why."""

import re
from collections.abc import Mapping

from aws_cdk import Acknowledgment, Validations
from constructs import IConstruct

ANY = "…"
"""Stands for any text in the id of a finding."""

_PACK = "AwsSolutions-"
# By the path of a construct; the same path has the same reasons in every application that is built.
_ACKNOWLEDGED: dict[str, dict[str, str]] = {}


def acknowledge(construct: IConstruct, reasons: Mapping[str, str]) -> None:
    """Let findings on a construct and all below it stand.

    Parameters
    ----------
    reasons
        By the finding's id, why it is right as it is: what AWS cannot do otherwise, or what guards it
        instead. In an id of cdk-nag, ``…`` stands for any text: the ids of IAM5 hold logical ids and
        names of exports, as in ``AwsSolutions-IAM5[Resource::…Lake…/*]``. Findings of the CDK's own
        validation are named as it names them, ``CloudFormation-Validate::W2512``.
    """
    for rule, reason in reasons.items():
        if rule.startswith(_PACK):
            _ACKNOWLEDGED.setdefault(construct.node.path, {})[rule] = reason
        else:
            Validations.of(construct).acknowledge(Acknowledgment(id=rule, reason=reason))


def reason_for(path: str, rule: str) -> tuple[str, str] | None:
    """Give who acknowledged a finding on the construct at ``path``, and by which id; None if nobody did."""
    parts = path.split("/")
    for length in range(len(parts), -1, -1):
        owner = "/".join(parts[:length])
        for acknowledged in _ACKNOWLEDGED.get(owner, {}):
            if re.fullmatch(".*".join(re.escape(part) for part in acknowledged.split(ANY)), rule):
                return owner, acknowledged
    return None


def acknowledged(prefix: str) -> set[tuple[str, str]]:
    """Give all that was acknowledged in the stacks whose names begin with ``prefix``, by path and id."""
    return {(path, rule) for path, rules in _ACKNOWLEDGED.items() if path.startswith(prefix) for rule in rules}
