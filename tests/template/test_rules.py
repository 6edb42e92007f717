"""Our own rules for whatever is in the template: encrypted, closed, TLS only, nothing lost, everything watched."""

from __future__ import annotations

import json
import re
import unittest
from fnmatch import fnmatchcase

from resolve import ROOT, VARIANTS, Template, as_list

FUNCTIONS = ("AWS::Serverless::Function", "AWS::Lambda::Function")
KEY = "{EncryptionKey.Arn}"
# What a function's log line may not carry, its settings may not either.
SECRET_LIKE = re.compile(r"password|passwd|pwd|token|connection_string", re.I)


def template_text() -> str:
    """template.yaml as it stands."""
    return (ROOT / "template.yaml").read_text(encoding="utf-8")


def every(*types: str):
    """Each resource of these types in each variant: (variant's template, logical id, properties)."""
    for parameters in VARIANTS:
        template = Template(parameters)
        found = template.of_type(*types)
        for name, properties in found.items():
            yield template, name, properties


def denies_without_tls(policies: dict[str, dict], field: str, resource: str) -> bool:
    """Whether some policy attached to `resource` denies everything that comes without TLS."""
    for policy in policies.values():
        if f"{{{resource}}}" not in as_list(policy[field]):
            continue
        for statement in policy["PolicyDocument"]["Statement"]:
            if (
                statement["Effect"] == "Deny"
                and statement["Principal"] == "*"
                and statement.get("Condition") == {"Bool": {"aws:SecureTransport": "false"}}
                and re.fullmatch(r"(s3|sqs):\*|sns:Publish", statement["Action"])
                and any(f"{{{resource}" in r for r in as_list(statement["Resource"]))
            ):
                return True
    return False


class RulesTest(unittest.TestCase):
    def test_buckets_are_encrypted_closed_and_tls_only(self) -> None:
        for template, name, bucket in every("AWS::S3::Bucket"):
            with self.subTest(bucket=name):
                rule = bucket["BucketEncryption"]["ServerSideEncryptionConfiguration"][0]
                default = rule["ServerSideEncryptionByDefault"]
                self.assertEqual((default["SSEAlgorithm"], default["KMSMasterKeyID"]), ("aws:kms", KEY))
                self.assertTrue(rule["BucketKeyEnabled"])
                self.assertEqual(set(bucket["PublicAccessBlockConfiguration"].values()), {True})
                self.assertEqual(len(bucket["PublicAccessBlockConfiguration"]), 4)
                self.assertEqual(bucket["OwnershipControls"]["Rules"], [{"ObjectOwnership": "BucketOwnerEnforced"}])
                policies = template.of_type("AWS::S3::BucketPolicy")
                self.assertTrue(denies_without_tls(policies, "Bucket", name))
                whole = [s["Resource"] for p in policies.values() for s in p["PolicyDocument"]["Statement"]]
                self.assertIn([f"arn:aws:s3:::{{{name}}}", f"arn:aws:s3:::{{{name}}}/*"], whole)

    def test_evidence_is_locked(self) -> None:
        for template, _, bucket in every("AWS::S3::Bucket"):
            if "evidence" not in bucket["BucketName"]:
                continue
            self.assertEqual(bucket["VersioningConfiguration"], {"Status": "Enabled"})
            self.assertTrue(bucket["ObjectLockEnabled"])
            retention = bucket["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
            if template.parameters["Stage"] == "prod":
                self.assertEqual((retention["Mode"], "Days" in retention), ("COMPLIANCE", False))
                self.assertGreaterEqual(int(retention["Years"]), 7)
            else:
                self.assertEqual((retention["Mode"], "Years" in retention), ("GOVERNANCE", False))
                self.assertGreaterEqual(int(retention["Days"]), 1)
            lifecycle = bucket["LifecycleConfiguration"]["Rules"]
            self.assertTrue(any("AbortIncompleteMultipartUpload" in rule for rule in lifecycle))
            self.assertFalse(any("Expiration" in key for rule in lifecycle for key in rule), "evidence never expires")
        declared = Template().raw["Parameters"]["EvidenceRetentionYears"]
        self.assertGreaterEqual(min(declared["MinValue"], declared["Default"]), 7)

    def test_evidence_is_not_hidden_and_not_replaced(self) -> None:
        """Object Lock stops neither a delete marker nor a newer version; the bucket's policy stops both, for everybody."""
        for template, name, bucket in every("AWS::S3::Bucket"):
            if "evidence" not in bucket["BucketName"]:
                continue
            objects = f"arn:aws:s3:::{{{name}}}/*"
            policies = [p for p in template.of_type("AWS::S3::BucketPolicy").values() if p["Bucket"] == f"{{{name}}}"]
            denied = {
                action: statement.get("Condition")
                for policy in policies
                for statement in policy["PolicyDocument"]["Statement"]
                if (statement["Effect"], statement["Principal"]) == ("Deny", "*")
                and objects in as_list(statement["Resource"])
                for action in as_list(statement["Action"])
            }
            for action in ("s3:DeleteObject", "s3:DeleteObjectVersion"):
                self.assertIn(action, denied)
                self.assertIsNone(denied[action], "whoever deletes, and however")
            # A part of a multipart upload cannot carry If-None-Match and creates no object.
            creation = {"Null": {"s3:if-none-match": "true"}, "Bool": {"s3:ObjectCreationOperation": "true"}}
            self.assertEqual(denied.get("s3:PutObject"), creation)

    def test_queues_are_encrypted_and_tls_only(self) -> None:
        for template, name, queue in every("AWS::SQS::Queue"):
            with self.subTest(queue=name):
                self.assertEqual(queue["KmsMasterKeyId"], KEY)
                self.assertTrue(denies_without_tls(template.of_type("AWS::SQS::QueuePolicy"), "Queues", name))

    def test_no_message_is_lost(self) -> None:
        """Each queue that is worked on has its own dead-letter queue, and time to work."""
        for template, name, function in every("AWS::Serverless::Function"):
            for event in function.get("Events", {}).values():
                properties = event["Properties"]
                if event["Type"] != "SQS":
                    self.assertIn("DeadLetterConfig", properties, name)
                    self.assertIn("RetryPolicy", properties, name)
                    # Scheduler invokes asynchronously: what fails afterwards must be kept as well.
                    failures = function["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]
                    self.assertEqual(failures["Destination"], properties["DeadLetterConfig"]["Arn"])
                    continue
                queue = template.resources[properties["Queue"].strip("{}").split(".")[0]]["Properties"]
                self.assertGreaterEqual(queue["VisibilityTimeout"], 6 * function["Timeout"], name)
                self.assertEqual(properties["FunctionResponseTypes"], ["ReportBatchItemFailures"])
                self.assertGreaterEqual(int(properties["ScalingConfig"]["MaximumConcurrency"]), 2)
                # A throttled delivery counts as a receive: the concurrency may not be reserved below the pollers'.
                self.assertNotIn("ReservedConcurrentExecutions", function)
        for template, name, queue in every("AWS::SQS::Queue"):
            own = [q["RedrivePolicy"]["deadLetterTargetArn"] for q in template.of_type("AWS::SQS::Queue").values() if "RedrivePolicy" in q]
            self.assertEqual(len(own), len(set(own)), "a dead-letter queue is shared")
            if "RedrivePolicy" in queue:
                target = template.resources[queue["RedrivePolicy"]["deadLetterTargetArn"].strip("{}").split(".")[0]]
                self.assertGreater(target["Properties"]["MessageRetentionPeriod"], queue["MessageRetentionPeriod"])
            else:
                self.assertTrue(name.endswith("DeadLetters"), f"{name} has no dead-letter queue")
                self.assertEqual(queue["MessageRetentionPeriod"], 1209600)

    def test_the_worker_gives_up_when_the_queue_does(self) -> None:
        template = Template()
        receives = template.resources["JobsQueue"]["Properties"]["RedrivePolicy"]["maxReceiveCount"]
        variables = template.resources["WorkerFunction"]["Properties"]["Environment"]["Variables"]
        self.assertEqual(int(variables["SOXAUTO_MAX_RECEIVES"]), receives)

    def test_functions_log_trace_and_hold_no_secret(self) -> None:
        for template, name, function in every(*FUNCTIONS):
            with self.subTest(function=name):
                group = template.resources[function["LoggingConfig"]["LogGroup"].strip("{}")]["Properties"]
                self.assertGreaterEqual(int(group["RetentionInDays"]), 14)
                if template.parameters["Stage"] == "prod":
                    self.assertGreaterEqual(int(group["RetentionInDays"]), 2557, "as long as the evidence")
                self.assertEqual(group["KmsKeyId"], KEY)
                is_sam = template.resources[name]["Type"] == "AWS::Serverless::Function"
                tracing = template.raw["Globals"]["Function"]["Tracing"] if is_sam else function["TracingConfig"]["Mode"]
                self.assertEqual(tracing, "Active")
                for variable, value in function.get("Environment", {}).get("Variables", {}).items():
                    self.assertNotRegex(variable, SECRET_LIKE)
                    self.assertNotRegex(str(value), re.compile(r"pwd=|password=", re.I))
        for _, name, group in every("AWS::Logs::LogGroup"):
            self.assertIn("RetentionInDays", group, name)

    def test_functions_are_released_by_version(self) -> None:
        for template, name, function in every("AWS::Serverless::Function"):
            with self.subTest(function=name):
                self.assertEqual(function["AutoPublishAlias"], "live")
                self.assertTrue(function["AutoPublishAliasAllProperties"])
                preference = function["DeploymentPreference"]
                self.assertEqual(preference["Hooks"]["PreTraffic"], f"{{{name.removesuffix('Function')}Check}}")
                metadata = template.raw["Resources"][name]["Metadata"]
                self.assertEqual(metadata["BuildMethod"], "rust-cargolambda")

    def test_the_function_url_needs_iam(self) -> None:
        for _, name, function in every("AWS::Serverless::Function"):
            self.assertEqual(function.get("FunctionUrlConfig", {"AuthType": "AWS_IAM"})["AuthType"], "AWS_IAM", name)

    def test_keys_rotate_or_cannot(self) -> None:
        for _, name, key in every("AWS::KMS::Key"):
            with self.subTest(key=name):
                self.assertTrue(key.get("EnableKeyRotation") or key.get("KeyUsage") == "SIGN_VERIFY")
                self.assertEqual(key["PendingWindowInDays"], 30)

    def test_the_reviewers_key_cannot_be_lent(self) -> None:
        """A grant would give signing to somebody whom the key's policy does not name."""
        for template, name, key in every("AWS::KMS::Key"):
            if name != "ReviewSigningKey":
                continue
            for statement in key["KeyPolicy"]["Statement"]:
                for action in as_list(statement["Action"]):
                    self.assertFalse(fnmatchcase("kms:CreateGrant", action), action)

    def test_a_role_has_its_rights_from_the_start(self) -> None:
        """A policy that is a resource of its own comes some time after the role, and nothing makes a function wait for it."""
        self.assertEqual([name for _, name, _ in every("AWS::IAM::RolePolicy", "AWS::IAM::Policy")], [])

    def test_secret_and_topic_are_encrypted(self) -> None:
        for _, name, secret in every("AWS::SecretsManager::Secret"):
            self.assertEqual(secret["KmsKeyId"], KEY, name)
            self.assertFalse({"SecretString", "GenerateSecretString"} & secret.keys(), "a deployment would overwrite it")
        for template, name, topic in every("AWS::SNS::Topic"):
            self.assertEqual(topic["KmsMasterKeyId"], KEY)
            self.assertTrue(denies_without_tls(template.of_type("AWS::SNS::TopicPolicy"), "Topics", name))

    def test_services_reach_what_is_encrypted(self) -> None:
        """CloudWatch publishes to the encrypted topic, S3 sends to the encrypted queue: only if the key lets them."""
        policy = Template().resources["EncryptionKey"]["Properties"]["KeyPolicy"]["Statement"]
        services = {s for p in policy for s in as_list(p["Principal"].get("Service", []))}
        self.assertEqual(services, {"s3.amazonaws.com", "cloudwatch.amazonaws.com", "logs.eu-west-1.amazonaws.com"})
        for statement in policy:
            if "Service" in statement["Principal"]:
                self.assertIn("Condition", statement, "any account's buckets and alarms could use the key")

    def test_every_alarm_is_wired_to_the_topic(self) -> None:
        for template, name, alarm in every("AWS::CloudWatch::Alarm"):
            with self.subTest(alarm=name):
                self.assertEqual(alarm["AlarmActions"], ["{AlarmTopic}"])
                if template.parameters["Stage"] == "prod":
                    self.assertTrue(alarm.get("ActionsEnabled", True), "it would ring for nobody")
                self.assertTrue(alarm["AlarmName"].startswith("soxauto-"), "CodeDeploy may see only these")
                self.assertGreater(len(alarm["AlarmDescription"]), 20)
                self.assertIn("TreatMissingData", alarm)

    def test_everything_that_can_go_wrong_has_an_alarm(self) -> None:
        template = Template({"Stage": "prod"})
        watched = {
            (a["Namespace"], a["MetricName"], str(d["Value"]))
            for a in template.of_type("AWS::CloudWatch::Alarm").values()
            for d in a["Dimensions"]
        }
        for name, queue in template.of_type("AWS::SQS::Queue").items():
            metric = "ApproximateAgeOfOldestMessage" if "RedrivePolicy" in queue else "ApproximateNumberOfMessagesVisible"
            self.assertIn(("AWS/SQS", metric, f"{{{name}.QueueName}}"), watched)
        for name in template.of_type("AWS::Serverless::Function"):
            for metric in ("Errors", "Throttles", "Duration"):
                self.assertIn(("AWS/Lambda", metric, f"{{{name}}}"), watched)
        # Who sees that the sweep is not called at all.
        self.assertIn(("AWS/Lambda", "Invocations", "{FinalizerFunction}"), watched)
        own = {metric for namespace, metric, _ in watched if namespace == "soxauto"}
        self.assertEqual(own, {"IpeRejected", "RunIncomplete", "MonthMissing"})
        # The functions emit them under these names.
        emitted = (ROOT / "shared/cloud/src/telemetry/metrics.rs").read_text(encoding="utf-8")
        for metric in own:
            self.assertTrue(f'"{metric}"' in emitted, metric)

    def test_the_dashboard_shows_what_is_measured(self) -> None:
        """A graph over a metric that nobody emits stays empty for ever."""
        (dashboard,) = Template().of_type("AWS::CloudWatch::Dashboard").values()
        shown: set[str] = set()
        for widget in json.loads(dashboard["DashboardBody"])["widgets"]:
            namespace = ""
            for metric in widget["properties"]["metrics"]:
                if metric[0] == "...":
                    continue
                namespace = namespace if metric[0] == "." else metric[0]
                if namespace == "soxauto":
                    shown.add(metric[1])
        emitted = (ROOT / "shared/cloud/src/telemetry/metrics.rs").read_text(encoding="utf-8")
        known = set(re.findall(r'= "(\w+)", (?:Count|Bytes|Seconds);', emitted))
        self.assertGreater(len(known), 10)
        self.assertEqual(shown - known, set())
        self.assertLessEqual({"IpeRejected", "IpeFailed", "RowsExtracted", "AttemptSeconds", "RunSeconds"}, shown)

    def test_a_duration_near_the_timeout_is_an_alarm(self) -> None:
        template = Template()
        functions = template.of_type("AWS::Serverless::Function")
        for name, function in functions.items():
            (alarm,) = [
                a
                for a in template.of_type("AWS::CloudWatch::Alarm").values()
                if a["MetricName"] == "Duration" and a["Dimensions"][0]["Value"] == f"{{{name}}}"
            ]
            share = alarm["Threshold"] / (function["Timeout"] * 1000)
            self.assertTrue(0.75 <= share <= 0.9, (name, share))

    def test_the_network_lets_only_the_worker_out_and_only_there(self) -> None:
        for template, name, group in every("AWS::EC2::SecurityGroup"):
            with self.subTest(group=name):
                self.assertNotIn("SecurityGroupIngress", group)
                self.assertTrue(group["SecurityGroupEgress"], "without a rule EC2 allows everything")
                for rule in group["SecurityGroupEgress"]:
                    self.assertNotEqual(rule.get("CidrIp"), "0.0.0.0/0")
                    if name == "WorkerSecurityGroup":
                        self.assertEqual(rule["IpProtocol"], "tcp")
                        self.assertIn(str(rule["FromPort"]), ("443", template.parameters["SourcePort"]))
        for template, _, function in every("AWS::Serverless::Function"):
            if "VpcConfig" in function:
                self.assertEqual(function["VpcConfig"]["SecurityGroupIds"], ["{WorkerSecurityGroup.GroupId}"])

    def test_the_warehouse_is_closed(self) -> None:
        seen = 0
        for _, _, workgroup in every("AWS::RedshiftServerless::Workgroup"):
            seen += 1
            self.assertFalse(workgroup["PubliclyAccessible"])
            self.assertIn({"ParameterKey": "require_ssl", "ParameterValue": "true"}, workgroup["ConfigParameters"])
        for _, _, namespace in every("AWS::RedshiftServerless::Namespace"):
            self.assertEqual(namespace["KmsKeyId"], KEY)
            self.assertTrue(namespace["ManageAdminPassword"])
            self.assertNotIn("AdminUserPassword", namespace)
        self.assertEqual(seen, 1)

    def test_names_carry_the_stack(self) -> None:
        """Two stacks live beside each other, in one region or in several."""
        for parameters in VARIANTS:
            for name, resource in Template(parameters).resources.items():
                for key, value in resource["Properties"].items():
                    if key.endswith("Name") and isinstance(value, str) and "{" not in value and key != "DbName":
                        if key in ("MetricName", "PolicyName", "ServiceName"):
                            continue
                        if resource["Type"] == "AWS::SecretsManager::Secret":
                            continue
                        self.assertIn("soxauto", value, (name, key))
                    if resource["Type"] == "AWS::S3::Bucket" and key == "BucketName":
                        self.assertRegex(value, r"^soxauto-\w+-111122223333-eu-west-1$")

    def test_no_region_or_account_is_written_down(self) -> None:
        self.assertNotRegex(template_text(), r"eu-west-\d|us-east-\d|\d{12}")

    def test_the_schedule_is_the_first_of_the_month_in_the_controls_zone(self) -> None:
        """The catalog says where a control's months begin; the schedule's hour is one of that zone."""
        event = Template().resources["DispatcherFunction"]["Properties"]["Events"]["Month"]["Properties"]
        self.assertEqual(event["ScheduleExpression"], "cron(0 9 1 * ? *)")
        control = (ROOT / "catalog/c-pg-1/control.toml").read_text(encoding="utf-8")
        zone = re.search(r'^time_zone = "([^"]+)"', control, re.M)[1]
        self.assertEqual((event["ScheduleExpressionTimezone"], zone), ("Europe/Paris", "Europe/Paris"))
        self.assertEqual(json.loads(event["Input"])["schema"], "soxauto.start/1")

    def test_every_setting_that_a_function_reads_is_given(self) -> None:
        for name in ("dispatcher", "worker", "finalizer"):
            code = (ROOT / f"functions/{name}/src/context.rs").read_text(encoding="utf-8")
            read = set(re.findall(r'environment\s*\.\s*\w+(?:::<\w+>)?\(\s*"(\w+)"', code))
            self.assertGreaterEqual(len(read), 5)
            template = Template()
            given = set(template.raw["Globals"]["Function"]["Environment"]["Variables"])
            given |= set(template.resources[f"{name.capitalize()}Function"]["Properties"]["Environment"]["Variables"])
            self.assertEqual(read - given, set(), name)
            unread = given - read - {"RUST_LOG"}
            self.assertEqual(unread, set(), name)


if __name__ == "__main__":
    unittest.main()
