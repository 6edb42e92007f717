"""A changed parameter updates in place: no bucket, queue, key or secret is made anew."""

from __future__ import annotations

import importlib.util
import re
import unittest

import exceptions
from create_only import from_cfn_lint, table
from resolve import CLUSTER, ROOT, VARIANTS, VPC, WORKGROUP, Template
from transformed import evaluated, transform, types_of_every_variant

# What cannot be found by choosing another allowed value or a number one higher.
OTHER_VALUES = {
    "Control": "C-PG-2",
    "ScheduleExpression": "cron(0 7 2 * ? *)",
    "ScheduleTimezone": "Europe/Berlin",
    "LogLevel": "debug",
    "AlarmEmail": "sox@example.com",
    "Release": "4f2a91c",
    "EvidencePrefix": "proof/sox",
    "SourceSecretName": "erp/reader",
    "VpcId": "vpc-1",
    "WorkerSubnetIds": "subnet-3",
    "SourceCidr": "10.30.0.0/24",
    "S3PrefixListId": "pl-2",
    "EndpointSecurityGroupId": "sg-1",
    "WorkerRouteTableIds": "rtb-2",
    "WarehouseSubnetIds": "subnet-4,subnet-5,subnet-6",
    "RedshiftWorkgroup": "other",
    "RedshiftWorkgroupArn": "arn:aws:redshift-serverless:eu-west-1:111122223333:workgroup/w-2",
    "RedshiftCluster": "other",
    "RedshiftDatabase": "finance",
    "RedshiftSecretArn": "arn:aws:secretsmanager:eu-west-1:111122223333:secret:r",
    "RedshiftCopyRoleArn": "arn:aws:iam::111122223333:role/copy",
    "ReviewerArns": "arn:aws:iam::111122223333:role/other-reviewers",
}
# Parameters that matter only beside others.
BESIDE = {
    **{name: VPC for name in ("WorkerSubnetIds", "SourceCidr", "SourcePort", "S3PrefixListId", "WorkerRouteTableIds")},
    "EndpointSecurityGroupId": VPC,
    "VpcId": {name: value for name, value in VPC.items() if name != "VpcId"},
    "RedshiftWorkgroup": WORKGROUP,
    "RedshiftWorkgroupArn": WORKGROUP,
    "RedshiftCluster": CLUSTER,
    "RedshiftSecretArn": WORKGROUP,
    "EvidenceRetentionYears": {"Stage": "prod"},
    "WarehouseSubnetIds": {"CreateWarehouse": "serverless"},
    "WarehouseCapacity": {"CreateWarehouse": "serverless"},
}
# A version is what never changes: a new one is made, and the alias moves. A rule of a security group holds nothing.
MADE_ANEW = {"AWS::Lambda::Version", "AWS::EC2::SecurityGroupIngress"}
# Parameters that a changed one of which does not by itself publish a version: too long for a description.
ONLY_WITH_A_RELEASE = {"RedshiftSecretArn", "RedshiftCopyRoleArn"}
KEPT = {
    "AWS::S3::Bucket",
    "AWS::KMS::Key",
    "AWS::SecretsManager::Secret",
    "AWS::RedshiftServerless::Namespace",
    "AWS::RedshiftServerless::Workgroup",
}


def other_value(name: str, declared: dict) -> str:
    """A value that the parameter does not have by default."""
    if name in OTHER_VALUES:
        return OTHER_VALUES[name]
    default = str(declared["Default"])
    if "AllowedValues" in declared:
        return next(str(v) for v in declared["AllowedValues"] if str(v) != default)
    if declared["Type"] == "Number":
        return str(int(default) + 1)
    raise AssertionError(f"{name} is new: say in OTHER_VALUES how it can change")


class ChangesTest(unittest.TestCase):
    def test_a_changed_parameter_replaces_nothing(self) -> None:
        create_only = table()
        for name, declared in Template().raw["Parameters"].items():
            before = evaluated(BESIDE.get(name, {}))
            after = evaluated(BESIDE.get(name, {}) | {name: other_value(name, declared)})
            replaced = []
            for logical_id, resource in before.resources.items():
                kind = resource["Type"]
                if kind in MADE_ANEW:
                    continue
                new = after.resources.get(logical_id)
                if new is None:
                    # A condition ended: what holds data or a name may not be conditional on this.
                    self.assertNotIn(kind, KEPT | {"AWS::SQS::Queue", "AWS::SNS::Topic"}, (name, logical_id))
                    continue
                self.assertEqual(kind, new["Type"])
                for key in create_only[kind]:
                    if resource["Properties"].get(key) != new["Properties"].get(key):
                        replaced.append(f"{logical_id}.{key}")
            with self.subTest(parameter=name):
                self.assertEqual(bool(replaced), name in exceptions.REPLACING_PARAMETERS, replaced)

    def test_every_parameter_changes_something(self) -> None:
        for name, declared in Template().raw["Parameters"].items():
            before = evaluated(BESIDE.get(name, {}))
            after = evaluated(BESIDE.get(name, {}) | {name: other_value(name, declared)})
            with self.subTest(parameter=name):
                self.assertTrue(before.resources != after.resources)

    def test_the_same_template_expands_to_the_same(self) -> None:
        """Otherwise a second deployment would publish versions for nothing."""
        for parameters in VARIANTS:
            self.assertTrue(transform(parameters) == transform(parameters, again=True))

    def test_what_holds_evidence_outlives_the_stack(self) -> None:
        for parameters in VARIANTS:
            for logical_id, resource in Template(parameters).resources.items():
                if resource["Type"] in KEPT:
                    with self.subTest(resource=logical_id):
                        # But not a creation that failed: its left-overs would have the names of the next try.
                        self.assertEqual(resource["DeletionPolicy"], "RetainExceptOnCreate")
                        self.assertEqual(resource["UpdateReplacePolicy"], "Retain")

    def test_the_evidence_buckets_policy_outlives_the_stack_too(self) -> None:
        for parameters in VARIANTS:
            policy = Template(parameters).resources["EvidenceBucketPolicy"]
            self.assertEqual(policy["DeletionPolicy"], "RetainExceptOnCreate")
            self.assertEqual(policy["UpdateReplacePolicy"], "Retain")

    def test_the_table_of_create_only_properties_has_every_type(self) -> None:
        self.assertEqual(set(table()), types_of_every_variant(), "run tests/template/create_only.py")

    @unittest.skipUnless(importlib.util.find_spec("cfnlint"), "cfn-lint is not installed here")
    def test_the_table_is_cloudformations(self) -> None:
        self.assertEqual(table(), from_cfn_lint(types_of_every_variant()), "run tests/template/create_only.py")


class DeploymentsTest(unittest.TestCase):
    def test_a_deployment_is_tried_watched_and_rolled_back(self) -> None:
        stack = evaluated({"DeploymentType": "Canary10Percent15Minutes"})
        groups = stack.of_type("AWS::CodeDeploy::DeploymentGroup")
        self.assertEqual(len(groups), 3)
        for group in groups.values():
            self.assertTrue(group["AutoRollbackConfiguration"]["Enabled"])
            self.assertIn("DEPLOYMENT_STOP_ON_ALARM", group["AutoRollbackConfiguration"]["Events"])
            self.assertGreaterEqual(len(group["AlarmConfiguration"]["Alarms"]), 2)
            self.assertEqual(group["ServiceRoleArn"], "{DeploymentRole.Arn}")
            self.assertEqual(group["DeploymentConfigName"], "CodeDeployDefault.LambdaCanary10Percent15Minutes")
        aliases = {n: r for n, r in stack.raw["Resources"].items() if r["Type"] == "AWS::Lambda::Alias"}
        hooks = {
            n.removesuffix("FunctionAliaslive"): r["UpdatePolicy"]["CodeDeployLambdaAliasUpdate"]["BeforeAllowTrafficHook"]
            for n, r in aliases.items()
        }
        self.assertEqual(hooks, {n: {"Ref": f"{n}Check"} for n in ("Dispatcher", "Worker", "Finalizer")})

    def test_deployments_can_go_unchecked(self) -> None:
        stack = evaluated({"CheckedDeployments": "false"})
        self.assertEqual(stack.of_type("AWS::CodeDeploy::DeploymentGroup", "AWS::CodeDeploy::Application"), {})

    def test_a_changed_setting_reaches_live(self) -> None:
        """Where a parameter changes a function, it changes its version too, so that the alias moves."""
        for name, declared in Template().raw["Parameters"].items():
            before = evaluated(BESIDE.get(name, {}))
            after = evaluated(BESIDE.get(name, {}) | {name: other_value(name, declared)})
            for function in ("DispatcherFunction", "WorkerFunction", "FinalizerFunction"):
                (old,), (new,) = (
                    [r["Properties"] for n, r in stack.resources.items() if n.startswith(f"{function}Version")]
                    for stack in (before, after)
                )
                self.assertLessEqual(len(new["Description"]), 256)
                changed = before.resources[function] != after.resources[function]
                with self.subTest(parameter=name, function=function):
                    if name in ONLY_WITH_A_RELEASE:
                        continue
                    # And only then: of a function that is as it was, Lambda makes no version, and the update fails.
                    # (A secret that is made anew has another ARN, and the function's setting with it.)
                    differs = old["Description"] != new["Description"]
                    self.assertEqual(changed or name in exceptions.REPLACING_PARAMETERS and differs, differs)
                    if name == "Release":
                        self.assertTrue(changed)

    def test_what_may_have_been_switched_once_is_switched_back(self) -> None:
        """CloudFormation keeps the last value of a parameter that a deployment does not give."""
        lines = re.findall(r'^parameter_overrides = "(.*)"$', (ROOT / "samconfig.toml").read_text(encoding="utf-8"), re.M)
        given = [dict(pair.split("=", 1) for pair in line.split()) for line in lines]
        self.assertEqual([stage["Stage"] for stage in given], ["dev", "staging", "prod"])
        for stage in given[1:]:
            with self.subTest(stage=stage["Stage"]):
                self.assertEqual((stage.get("ScheduleState"), stage.get("CheckedDeployments")), ("ENABLED", "true"))

    def test_a_versions_description_always_fits(self) -> None:
        long = {
            "Release": "r" * 20,
            "Stage": "staging",
            "Control": "C" * 31,
            "Architecture": "x86_64",
            "EvidencePrefix": "p" * 30,
            "LogLevel": "l" * 30,
            "WorkerMemory": "10240",
            "WorkerStorage": "10240",
            "FinalizerMemory": "10240",
            "SourceSecretName": "s" * 40,
            "WorkerSubnetIds": ",".join(["subnet-0123456789abcdef0"] * 4),
            "CreateWarehouse": "serverless",
            "RedshiftWorkgroup": "w" * 64,
            "RedshiftDatabase": "d" * 30,
        }
        declared = Template().raw["Parameters"]
        for name, value in long.items():
            if "MaxLength" in declared[name]:
                self.assertEqual(len(value), declared[name]["MaxLength"])
        for name, version in evaluated(long).of_type("AWS::Lambda::Version").items():
            self.assertLessEqual(len(version["Description"]), 256, name)


if __name__ == "__main__":
    unittest.main()
