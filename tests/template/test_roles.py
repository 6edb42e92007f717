"""Each role allows what its function does, and nothing more."""

from __future__ import annotations

import json
import re
import unittest
from fnmatch import fnmatchcase

import exceptions
from code_rights import ENCRYPTION, NotUnderstood, Right, code_rights, part, traits
from resolve import REVIEWER, ROOT, VARIANTS, VPC, Template, as_list
from try_version import run_check

FUNCTIONS = {"dispatcher": "DispatcherFunction", "worker": "WorkerFunction", "finalizer": "FinalizerFunction"}
KMS_FOR_QUEUES = {("kms:Decrypt", ENCRYPTION), ("kms:GenerateDataKey", ENCRYPTION)}
EC2 = "arn:aws:ec2:eu-west-1:111122223333:*/*"
CLUSTER = "arn:aws:redshift:eu-west-1:111122223333:cluster:finance"
DATABASE = "arn:aws:redshift:eu-west-1:111122223333:dbname:finance/soxauto"


def statements(template: Template, role: str) -> list[dict]:
    """The statements of a role's policies."""
    policies = [p["PolicyDocument"] for p in template.resources[role]["Properties"].get("Policies", [])]
    return [statement for policy in policies for statement in policy["Statement"]]


def allowed(template: Template, role: str) -> set[Right]:
    """What a role allows."""
    return {
        (action, resource)
        for statement in statements(template, role)
        if statement["Effect"] == "Allow"
        for action in as_list(statement["Action"])
        for resource in as_list(statement["Resource"])
    }


def without_covered(rights: set[Right]) -> set[Right]:
    """The rights without those that another, wider one contains."""
    return {
        (action, resource)
        for action, resource in rights
        if not any(
            other == action and wide != resource and fnmatchcase(resource, wide) for other, wide in rights
        )
    }


def platform_rights(template: Template, function: str) -> set[Right]:
    """What AWS does with a function's role before, beside and after its code."""
    properties = template.resources[function]["Properties"]
    logs = properties["LoggingConfig"]["LogGroup"].strip("{}")
    rights = {(f"logs:{action}", f"{{{logs}.Arn}}") for action in ("CreateLogStream", "PutLogEvents")}
    if "Active" in (properties.get("Tracing"), template.raw["Globals"]["Function"].get("Tracing")):
        rights |= {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
    for event in properties.get("Events", {}).values():
        if event["Type"] == "SQS":
            queue = event["Properties"]["Queue"]
            rights |= {(f"sqs:{a}", queue) for a in ("ReceiveMessage", "DeleteMessage", "GetQueueAttributes")}
            rights.add(("kms:Decrypt", ENCRYPTION))
    if "EventInvokeConfig" in properties:
        failures = properties["EventInvokeConfig"]["DestinationConfig"]["OnFailure"]["Destination"]
        rights |= {("sqs:SendMessage", failures)} | KMS_FOR_QUEUES
    if "VpcConfig" in properties:
        rights |= {("ec2:DescribeNetworkInterfaces", "*"), ("ec2:DescribeSubnets", "*")}
        rights |= {
            (f"ec2:{a}", EC2)
            for a in (
                "CreateNetworkInterface",
                "DeleteNetworkInterface",
                "AssignPrivateIpAddresses",
                "UnassignPrivateIpAddresses",
            )
        }
    return rights


def warehouse_rights(template: Template, rights: set[Right]) -> set[Right]:
    """The warehouse's rights with its ARN in the place of its name, and the right to log in."""
    parameters = template.parameters
    if not any(resource == "warehouse" for _, resource in rights):
        return rights
    if template.condition("CreatesWarehouse"):
        compute, login = "{Workgroup.Workgroup.WorkgroupArn}", "redshift-serverless:GetCredentials"
    elif parameters["RedshiftWorkgroupArn"]:
        compute, login = parameters["RedshiftWorkgroupArn"], "redshift-serverless:GetCredentials"
    elif parameters["RedshiftCluster"]:
        compute, login = CLUSTER, "redshift:GetClusterCredentialsWithIAM"
    else:
        return {right for right in rights if right[1] != "warehouse"}
    # Of the Data API's actions only those that begin a statement name a workgroup or cluster.
    starts = ("redshift-data:ExecuteStatement", "redshift-data:BatchExecuteStatement")
    found = {(a, (compute if a in starts else "*") if r == "warehouse" else r) for a, r in rights}
    if parameters["RedshiftSecretArn"]:
        return found | {("secretsmanager:GetSecretValue", parameters["RedshiftSecretArn"])}
    return found | {(login, DATABASE if compute == CLUSTER else compute)}


class RolesTest(unittest.TestCase):
    def test_a_function_may_do_what_its_code_does_and_no_more(self) -> None:
        for parameters in VARIANTS:
            template = Template(parameters)
            for name, function in FUNCTIONS.items():
                role = template.resources[function]["Properties"]["Role"].strip("{}").split(".")[0]
                needed = warehouse_rights(template, code_rights(name) | platform_rights(template, function))
                needed = without_covered(needed)
                given = allowed(template, role)
                with self.subTest(function=name, parameters=parameters):
                    self.assertEqual(needed - given, set(), "the role lacks")
                    self.assertEqual(given - needed - self.covered(given, needed), set(), "the role allows needlessly")

    @staticmethod
    def covered(given: set[Right], needed: set[Right]) -> set[Right]:
        """Rights that change nothing, because a needed one of the same action contains them."""
        return {(a, r) for a, r in given if any(a == b and fnmatchcase(r, wide) for b, wide in needed)}

    def test_the_scheduler_may_invoke_what_is_scheduled(self) -> None:
        template = Template()
        needed = set(KMS_FOR_QUEUES)
        for function, properties in template.of_type("AWS::Serverless::Function").items():
            for event in properties.get("Events", {}).values():
                if event["Type"] == "ScheduleV2":
                    self.assertEqual(event["Properties"]["RoleArn"], "{SchedulerRole.Arn}")
                    needed.add(("lambda:InvokeFunction", f"{{{function}.Alias}}"))
                    needed.add(("sqs:SendMessage", event["Properties"]["DeadLetterConfig"]["Arn"]))
        self.assertEqual(allowed(template, "SchedulerRole"), needed)

    def test_redshift_may_read_the_parts_and_the_manifests_of_copy(self) -> None:
        template = Template()
        self.assertEqual(
            allowed(template, "CopyRole"),
            {
                ("s3:ListBucket", "arn:aws:s3:::{EvidenceBucket}"),
                ("s3:ListBucket", "arn:aws:s3:::{StateBucket}"),
                ("s3:GetObject", "arn:aws:s3:::{EvidenceBucket}/evidence/*/*/attempt-*/data/*"),
                ("s3:GetObject", "arn:aws:s3:::{StateBucket}/copy/*/*/attempt-*.manifest"),
                ("kms:Decrypt", ENCRYPTION),
            },
        )

    def test_a_check_may_do_what_its_code_does(self) -> None:
        template = Template()
        needed: set[Right] = {("xray:PutTraceSegments", "*"), ("xray:PutTelemetryRecords", "*")}
        needed |= {(f"logs:{a}", "{CheckLogs.Arn}") for a in ("CreateLogStream", "PutLogEvents")}
        own = "arn:aws:lambda:eu-west-1:111122223333:function:soxauto-"
        groups = "arn:aws:codedeploy:eu-west-1:111122223333:deploymentgroup:soxauto-*/*"
        actions = {
            "functions.invoke": {("lambda:InvokeFunction", f"{own}{name}:*") for name in FUNCTIONS},
            "deployments.put_lifecycle_event_hook_execution_status": {
                ("codedeploy:PutLifecycleEventHookExecutionStatus", groups)
            },
        }
        for check in (f"{name.capitalize()}Check" for name in FUNCTIONS):
            code = template.resources[check]["Properties"]["Code"]["ZipFile"]
            for call in re.findall(r"\b((?:functions|deployments)\.\w+)\(", code):
                needed |= actions[call]
        self.assertEqual(allowed(template, "CheckRole"), needed)

    def test_codedeploy_may_move_the_aliases_and_run_the_checks(self) -> None:
        template = Template()
        own = "arn:aws:lambda:eu-west-1:111122223333:function:soxauto-"
        needed = {
            (f"lambda:{action}", f"{own}{name}{versions}")
            for action in ("GetAlias", "UpdateAlias", "GetProvisionedConcurrencyConfig")
            for name in FUNCTIONS
            for versions in ("", ":*")
        }
        needed |= {("lambda:InvokeFunction", f"{{{name.capitalize()}Check.Arn}}") for name in FUNCTIONS}
        needed.add(("cloudwatch:DescribeAlarms", "arn:aws:cloudwatch:eu-west-1:111122223333:alarm:soxauto-*"))
        self.assertEqual(allowed(template, "DeploymentRole"), needed)

    def test_reviewers_read_everything_and_write_reviews_only(self) -> None:
        evidence = "arn:aws:s3:::{EvidenceBucket}"
        policy = Template().resources["ReviewerPolicy"]["Properties"]["PolicyDocument"]
        given = {(a, r) for s in policy["Statement"] for a in as_list(s["Action"]) for r in as_list(s["Resource"])}
        self.assertEqual(
            given,
            {
                ("cloudformation:DescribeStacks", "arn:aws:cloudformation:eu-west-1:111122223333:stack/soxauto/*"),
                ("s3:ListBucket", evidence),
                ("s3:GetObject", f"{evidence}/evidence/*"),
                ("s3:PutObject", f"{evidence}/evidence/*/review-*.dsse.json"),
                ("kms:GetPublicKey", "{SigningKey.Arn}"),
                ("kms:GetPublicKey", "{ReviewSigningKey.Arn}"),
                ("kms:Sign", "{ReviewSigningKey.Arn}"),
            }
            | KMS_FOR_QUEUES,
        )

    def test_neither_side_can_sign_what_the_other_says(self) -> None:
        for reviewers in ("", REVIEWER):
            template = Template({"ReviewerArns": reviewers})
            for name in FUNCTIONS:
                role = f"{name.capitalize()}Role"
                self.assertFalse([r for r in allowed(template, role) if r[1] == "{ReviewSigningKey.Arn}"], role)
            keys = {
                key: template.resources[key]["Properties"]["KeyPolicy"]["Statement"]
                for key in ("SigningKey", "ReviewSigningKey")
            }
            denied = [s for s in keys["SigningKey"] if s["Effect"] == "Deny"]
            who = [s["Principal"]["AWS"] for s in denied if s["Action"] == "kms:Sign"]
            self.assertEqual([as_list(w) for w in who], [[REVIEWER]] if reviewers else [])
            may_sign = [
                as_list(s["Principal"]["AWS"])
                for s in keys["ReviewSigningKey"]
                if s["Effect"] == "Allow" and any(fnmatchcase("kms:Sign", a) for a in as_list(s["Action"]))
            ]
            self.assertEqual(may_sign, [[REVIEWER]] if reviewers else [], "IAM alone gives nobody the right")

    def test_every_role_is_checked_here(self) -> None:
        known = {"DispatcherRole", "WorkerRole", "FinalizerRole", "SchedulerRole", "CopyRole", "CheckRole", "DeploymentRole"}
        for parameters in VARIANTS:
            self.assertLessEqual(set(Template(parameters).of_type("AWS::IAM::Role")), known)

    def test_nothing_but_the_listed_exceptions_is_a_star(self) -> None:
        used: dict[str, set] = {"resources": set(), "actions": set()}
        for parameters in VARIANTS:
            template = Template(parameters)
            for name, resource in template.resources.items():
                for statement in all_statements(resource["Properties"]):
                    key = (name, statement.get("Sid"))
                    if statement["Effect"] == "Deny":
                        continue
                    if "*" in as_list(statement.get("Resource", "")):
                        used["resources"].add(key)
                    for action in as_list(statement["Action"]):
                        self.assertNotEqual(action, "*", key)
                        if "*" in action:
                            used["actions"].add(key)
                    self.assertFalse({"NotAction", "NotResource", "NotPrincipal"} & statement.keys(), key)
                    self.assertNotEqual(statement.get("Principal"), "*", key)
        self.assertEqual(used["resources"], set(exceptions.STAR_RESOURCES))
        self.assertEqual(used["actions"], set(exceptions.STAR_ACTIONS))

    def test_roles_are_plain(self) -> None:
        for parameters in VARIANTS:
            for name, role in Template(parameters).of_type("AWS::IAM::Role").items():
                with self.subTest(role=name):
                    self.assertNotIn("PermissionsBoundary", role)
                    self.assertNotIn("RoleName", role, "a fixed name would need CAPABILITY_NAMED_IAM")
                    self.assertNotIn("ManagedPolicyArns", role, "AWS's own policies are wider than ours")
                    for statement in role["AssumeRolePolicyDocument"]["Statement"]:
                        self.assertEqual(set(statement["Principal"]), {"Service"})

    def test_the_workers_code_cannot_use_the_rights_to_network_interfaces(self) -> None:
        template = Template({"Stage": "prod", **VPC})
        denied = [s for s in statements(template, "WorkerRole") if s["Effect"] == "Deny"]
        self.assertEqual(len(denied), 1)
        self.assertEqual(denied[0]["Action"], "ec2:*")
        name = template.resources["WorkerFunction"]["Properties"]["FunctionName"]
        self.assertTrue(denied[0]["Condition"]["ArnEquals"]["lambda:SourceFunctionArn"].endswith(f":function:{name}"))


def all_statements(node: object) -> list[dict]:
    """Every statement of every policy below a node."""
    if isinstance(node, dict):
        found = [s for s in node.get("Statement", []) if isinstance(s, dict)] if "Statement" in node else []
        return found + [s for value in node.values() for s in all_statements(value)]
    if isinstance(node, list):
        return [s for value in node for s in all_statements(value)]
    return []


class DerivationTest(unittest.TestCase):
    """The derivation fails on what it does not know, instead of taking it for nothing."""

    def test_what_is_known_to_be_needed_is_found(self) -> None:
        worker, finalizer = code_rights("worker"), code_rights("finalizer")
        evidence, state = "arn:aws:s3:::{EvidenceBucket}", "arn:aws:s3:::{StateBucket}"
        for right in [
            ("s3:ListBucket", evidence),
            ("s3:GetObject", f"{evidence}/evidence/*/*/attempt-*/*"),
            ("s3:AbortMultipartUpload", f"{evidence}/evidence/*/*/attempt-*/*"),
            ("sqs:ChangeMessageVisibility", "{JobsQueue.Arn}"),
            ("kms:GenerateDataKey", ENCRYPTION),
        ]:
            self.assertIn(right, worker)
        for right in [
            ("s3:PutObject", f"{evidence}/evidence/*/*/attempt-*/load.json"),
            ("s3:PutObject", f"{evidence}/evidence/*/manifest-*.dsse.json"),
            ("s3:PutObject", f"{state}/copy/*/*/attempt-*.manifest"),
            ("s3:GetObject", f"{state}/leases/*/*.json"),
            ("sqs:ChangeMessageVisibility", "{ReceiptsQueue.Arn}"),
            ("kms:Sign", "{SigningKey.Arn}"),
        ]:
            self.assertIn(right, finalizer)

    def test_every_port_of_a_context_is_used(self) -> None:
        for name in FUNCTIONS:
            self.assertGreaterEqual(len(part(name).ports), 3, name)
        self.assertGreaterEqual(len(traits()["Lake"]), 10)

    def test_new_code_is_not_overlooked(self) -> None:
        import code_rights as module

        def with_source(file: str, text: str) -> None:
            this = part("dispatcher")
            this.files.append((file, text))
            original = module.part
            module.part = lambda name: this
            try:
                rights = code_rights("dispatcher")
            finally:
                module.part = original
            self.assertNotEqual(rights, code_rights("dispatcher"))

        with_source("new.rs", 'async fn f(context: &Context) { context.state.delete("open/x").await; }')
        with_source("new.rs", "async fn f(context: &Context) { timeout(T, context.jobs.receive(1, T)).await; }")
        with self.assertRaises(NotUnderstood):
            with_source("new.rs", 'async fn f(bucket: &S3Lake) { bucket.head("x").await; }')
        with self.assertRaises(NotUnderstood):
            with_source("new.rs", "async fn f(context: &Context) { context.signer.sign_digest(d).await; }")


class CheckTest(unittest.TestCase):
    """The code of the pre-traffic checks, run against stand-ins for its two clients."""

    def run_check(self, check: str, answer: dict) -> dict:
        import io

        asked: list[dict] = []

        class Functions:
            def invoke(self, **request: str) -> dict:
                asked.append(request)
                if "said" not in answer:
                    raise TimeoutError("no answer")
                return {"Payload": io.BytesIO(json.dumps(answer["said"]).encode()), **answer.get("more", {})}

        outcome = run_check(check, Functions(), "arn:of:the:new:version")
        self.assertEqual(asked[0]["FunctionName"], "arn:of:the:new:version")
        event = (ROOT / "events/check.json").read_text(encoding="utf-8")
        self.assertEqual(json.loads(asked[0]["Payload"]), json.loads(event))
        (told,) = outcome["told"]
        self.assertEqual((told["deploymentId"], told["lifecycleEventHookExecutionId"]), ("d-1", "h-1"))
        self.assertEqual(json.loads(outcome["printed"]), outcome["returned"])
        return {"status": told["status"], "message": outcome["returned"]["message"]}

    def test_a_version_that_could_work_is_let_through(self) -> None:
        said = {"schema": "soxauto.check/1", "checks": [{"name": "settings", "verdict": "ok", "seen": "stage dev"}]}
        for check in ("DispatcherCheck", "WorkerCheck", "FinalizerCheck"):
            outcome = self.run_check(check, {"said": said})
            self.assertEqual(outcome, {"status": "Succeeded", "message": "settings: stage dev"})

    def test_a_version_that_could_not_is_stopped_and_the_check_is_named(self) -> None:
        error = {"errorType": "LOGIN_REFUSED", "errorMessage": "the dry run refuses: source: LOGIN_REFUSED: 18456"}
        outcome = self.run_check("WorkerCheck", {"said": error, "more": {"FunctionError": "Unhandled"}})
        self.assertEqual(outcome["status"], "Failed")
        self.assertEqual(outcome["message"], "LOGIN_REFUSED: the dry run refuses: source: LOGIN_REFUSED: 18456")

    def test_what_is_not_understood_is_a_no(self) -> None:
        schema = {"schema": "soxauto.check/1"}
        for answer in [
            {"said": {**schema, "checks": []}},
            {"said": {**schema, "checks": [{"name": "secret", "verdict": "refused", "code": "SECRET_INVALID"}]}},
            {"said": {**schema, "checks": [{"name": "secret"}]}},
            {"said": {"schema": "soxauto.check/2", "checks": [{"name": "secret", "verdict": "ok"}]}},
            {"said": {"statusCode": 200}},
            {"said": {"batchItemFailures": []}},
            {"said": None},
            {},
        ]:
            with self.subTest(answer=answer):
                self.assertEqual(self.run_check("FinalizerCheck", answer)["status"], "Failed")


if __name__ == "__main__":
    unittest.main()
