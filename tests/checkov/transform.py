#!/usr/bin/env python3
"""Prints a SAM template as the CloudFormation template that AWS makes of it.

Conditions of resources are left out, so that checks see every resource, and not only those of the defaults.

Usage: transform.py TEMPLATE
"""

import json
import os
import sys

from cfnlint.decode.cfn_yaml import load
from samtranslator.translator.transform import transform


class NoManagedPolicies:
    """The template names managed policies by ARN, so none is looked up."""

    def load(self):
        return {}


os.environ.setdefault("AWS_DEFAULT_REGION", "us-east-1")
template = load(sys.argv[1])
for resource in template["Resources"].values():
    # `sam build` replaces these by objects in a bucket.
    if "CodeUri" in resource.get("Properties", {}):
        resource["Properties"]["CodeUri"] = "s3://bucket/key"
if "Transform" in template:
    template = transform(template, {}, NoManagedPolicies())
for resource in template["Resources"].values():
    resource.pop("Condition", None)
print(json.dumps(template, indent=1))
