"""The template on the AWS emulator: deployed twice, changed, taken away. Needs the laptop stack's Python environment."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import tempfile
import unittest
from pathlib import Path
from typing import Any

from resolve import ROOT

try:
    import ministack  # noqa: F401
except ImportError:
    raise unittest.SkipTest("the AWS emulator is not installed here") from None

import botocore.session

STACK = "soxauto-test"
STUB = ROOT / "local/tests/stub_function.py"
# What the template may not make anew, since it holds something or since others know its name.
HELD = ("AWS::S3::Bucket", "AWS::SQS::Queue", "AWS::KMS::Key", "AWS::SecretsManager::Secret", "AWS::SNS::Topic")


class EmulatorTest(unittest.TestCase):
    @classmethod
    def setUpClass(cls) -> None:
        cls.environment = {
            "PATH": os.environ["PATH"],
            "HOME": os.environ.get("HOME", "/"),
            "PYTHONPATH": str(ROOT / "local/python"),
            "AWS_ACCESS_KEY_ID": "test",
            "AWS_SECRET_ACCESS_KEY": "test",
            "AWS_DEFAULT_REGION": "eu-west-1",
            "AWS_EC2_METADATA_DISABLED": "true",
            "AWS_CONFIG_FILE": "/dev/null",
        }
        cls.folder = tempfile.TemporaryDirectory()
        cls.log = open(Path(cls.folder.name) / "emulator.log", "w", encoding="utf-8")
        cls.emulator = subprocess.Popen(
            [sys.executable, "-m", "soxauto_local.emulator"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=cls.log,
            env=cls.environment | {"TMPDIR": cls.folder.name},
            text=True,
        )
        cls.endpoint = json.loads(cls.emulator.stdout.readline())["endpoint"]
        cls.session = botocore.session.Session()
        cls.session.set_credentials("test", "test")

    @classmethod
    def tearDownClass(cls) -> None:
        # It ends with its standard input.
        cls.emulator.stdin.close()
        cls.emulator.wait(10)
        cls.emulator.stdout.close()
        cls.log.close()
        cls.folder.cleanup()

    def client(self, service: str) -> Any:
        """A client of the emulator."""
        return self.session.create_client(service, region_name="eu-west-1", endpoint_url=self.endpoint)

    def run_deploy(self, *arguments: str) -> dict:
        """What soxauto_local.deploy prints."""
        done = subprocess.run(
            [sys.executable, "-m", "soxauto_local.deploy", "--endpoint-url", self.endpoint, "--stack", STACK, *arguments],
            cwd=ROOT,
            env=self.environment,
            capture_output=True,
            text=True,
            check=False,
        )
        self.assertEqual(done.returncode, 0, done.stderr)
        return json.loads(done.stdout)

    def deploy(self, **parameters: str) -> dict:
        """Deploys the template with stubs for functions."""
        binaries = [f"--binary=functions/{f}={STUB}" for f in ("dispatcher", "worker", "finalizer")]
        return self.run_deploy(*binaries, *(f"--parameter={name}={value}" for name, value in parameters.items()))

    def resources(self) -> dict[str, tuple[str, str]]:
        """Logical id → (type, physical id)."""
        found: dict[str, tuple[str, str]] = {}
        request: dict[str, str] = {"StackName": STACK}
        while True:
            page = self.client("cloudformation").list_stack_resources(**request)
            for r in page["StackResourceSummaries"]:
                found[r["LogicalResourceId"]] = (r["ResourceType"], r["PhysicalResourceId"])
            if "NextToken" not in page:
                return found
            request["NextToken"] = page["NextToken"]

    def events(self) -> int:
        """How much CloudFormation has done."""
        return len(self.client("cloudformation").describe_stack_events(StackName=STACK)["StackEvents"])

    def live(self, function: str) -> dict:
        """The configuration that `live` points to."""
        name = f"{STACK}-{function}"
        return self.client("lambda").get_function_configuration(FunctionName=name, Qualifier="live")

    def everything(self) -> dict[str, set[str]]:
        """Whatever the account holds that a template can make."""
        keys = self.client("kms")
        alive = [
            k["KeyId"]
            for k in keys.list_keys()["Keys"]
            if keys.describe_key(KeyId=k["KeyId"])["KeyMetadata"]["KeyState"] != "PendingDeletion"
        ]
        functions, logs, alarms = self.client("lambda"), self.client("logs"), self.client("cloudwatch")
        return {
            "buckets": {b["Name"] for b in self.client("s3").list_buckets()["Buckets"]},
            "queues": set(self.client("sqs").list_queues().get("QueueUrls", [])),
            "keys": set(alive),
            "key aliases": {a["AliasName"] for a in keys.list_aliases()["Aliases"] if "/aws/" not in a["AliasName"]},
            "secrets": {s["Name"] for s in self.client("secretsmanager").list_secrets()["SecretList"]},
            "functions": {f["FunctionName"] for f in functions.list_functions()["Functions"]},
            "mappings": {m["UUID"] for m in functions.list_event_source_mappings()["EventSourceMappings"]},
            "log groups": {g["logGroupName"] for g in logs.describe_log_groups()["logGroups"]},
            "roles": {r["RoleName"] for r in self.client("iam").list_roles()["Roles"] if STACK in r["RoleName"]},
            "topics": {t["TopicArn"] for t in self.client("sns").list_topics()["Topics"]},
            "alarms": {a["AlarmName"] for a in alarms.describe_alarms()["MetricAlarms"]},
            "dashboards": {d["DashboardName"] for d in alarms.list_dashboards()["DashboardEntries"]},
            "subscriptions": {s["SubscriptionArn"] for s in self.client("sns").list_subscriptions()["Subscriptions"]},
            "stacks": {s["StackName"] for s in self.client("cloudformation").describe_stacks()["Stacks"]},
            "schedules": {s["Name"] for s in self.client("scheduler").list_schedules()["Schedules"]},
        }

    def test_the_life_of_a_stack(self) -> None:
        before = self.everything()
        first = self.deploy(Stage="dev", Architecture="x86_64", ScheduleState="DISABLED")
        outputs = first["outputs"]
        made, done = self.resources(), self.events()
        self.assertGreater(len(made), 50)
        held = {name: physical for name, (kind, physical) in made.items() if kind in HELD}
        self.assertEqual(len(held), 12, held)
        s3 = self.client("s3")
        s3.put_object(Bucket=outputs["EvidenceBucketName"], Key="evidence/kept", Body=b"1")
        self.client("sqs").send_message(QueueUrl=outputs["JobsDeadLettersUrl"], MessageBody="kept")
        secret = {"SecretId": outputs["SourceSecretArn"]}
        self.client("secretsmanager").put_secret_value(**secret, SecretString="kept")
        old_version = self.live("worker")["Version"]

        with self.subTest("deploying twice is a no-op"):
            again = self.deploy(Stage="dev", Architecture="x86_64", ScheduleState="DISABLED")
            self.assertEqual((again["status"], again["outputs"]), (first["status"], outputs))
            self.assertEqual((self.resources(), self.events()), (made, done))

        with self.subTest("a changed parameter updates in place"):
            changed = self.deploy(
                Stage="dev",
                Architecture="x86_64",
                ScheduleState="DISABLED",
                WorkerMemory="2048",
                LogLevel="debug",
                LogRetentionDays="30",
                AlarmEmail="sox@example.com",
            )
            self.assertEqual(changed["status"], "UPDATE_COMPLETE")
            now = self.resources()
            self.assertEqual({name: now[name][1] for name in held}, held)
            self.assertEqual(set(now) - set(made), {"AlarmSubscription"})
            self.assertEqual(set(made) - set(now), set())
            self.assertEqual(changed["outputs"], outputs)
            self.assertEqual(s3.get_object(Bucket=outputs["EvidenceBucketName"], Key="evidence/kept")["Body"].read(), b"1")
            self.assertEqual(self.client("secretsmanager").get_secret_value(**secret)["SecretString"], "kept")
            depth = self.client("sqs").get_queue_attributes(
                QueueUrl=outputs["JobsDeadLettersUrl"], AttributeNames=["ApproximateNumberOfMessages"]
            )
            self.assertEqual(depth["Attributes"]["ApproximateNumberOfMessages"], "1")
            (group,) = self.client("logs").describe_log_groups(logGroupNamePrefix=f"/aws/lambda/{STACK}-worker")["logGroups"]
            self.assertEqual(group["retentionInDays"], 30)

        with self.subTest("the changed setting is live"):
            live = self.live("worker")
            self.assertNotEqual(live["Version"], old_version)
            self.assertEqual(live["MemorySize"], 2048)
            self.assertEqual(live["Environment"]["Variables"]["RUST_LOG"], "debug")

        with self.subTest("the lock follows the stage"):
            self.deploy(Stage="prod", Architecture="x86_64", ScheduleState="DISABLED", EvidenceRetentionYears="10")
            self.assertEqual({name: self.resources()[name][1] for name in held}, held)
            lock = s3.get_object_lock_configuration(Bucket=outputs["EvidenceBucketName"])["ObjectLockConfiguration"]
            self.assertEqual(lock["Rule"]["DefaultRetention"], {"Mode": "COMPLIANCE", "Years": 10})
            self.deploy(Stage="dev", Architecture="x86_64", ScheduleState="DISABLED")

        with self.subTest("taken away, it leaves nothing"):
            self.run_deploy("--teardown")
            self.assertEqual(self.everything(), before)

        with self.subTest("and can be made again"):
            self.deploy(Stage="dev", Architecture="x86_64", ScheduleState="DISABLED")
            self.run_deploy("--teardown")
            self.assertEqual(self.everything(), before)

        with self.subTest("taking away what is not there is no error"):
            self.run_deploy("--teardown")


if __name__ == "__main__":
    unittest.main()
