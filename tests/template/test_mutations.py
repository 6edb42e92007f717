"""Each rule can fail: the template is broken in one way at a time, and the rule that is meant for it must see it.

A rule that no breakage here makes fail is itself an error, so that a new one cannot be a test that proves nothing.
"""

from __future__ import annotations

import copy
import json
import unittest
from dataclasses import dataclass
from typing import Any, Callable
from unittest import mock

import resolve
import test_changes
import test_roles
import test_rules
import transformed

Resources = dict[str, Any]


@dataclass(frozen=True)
class Breakage:
    """One way to break the template, and the test that must see it."""

    what: str
    rule: str
    change: Callable[[Resources], Any]


def put(path: str, value: Any) -> Callable[[Resources], None]:
    """Sets what stands at ``Resource.Property.…``; a list's element is named by its number."""

    def change(resources: Resources) -> None:
        node, last = _parent(resources, path)
        node[last] = copy.deepcopy(value)

    return change


def drop(path: str) -> Callable[[Resources], None]:
    """Takes away what stands at ``Resource.Property.…``."""

    def change(resources: Resources) -> None:
        node, last = _parent(resources, path)
        del node[last]

    return change


def _parent(resources: Resources, path: str) -> tuple[Any, Any]:
    """The node that holds the last name of the path; a name that is not there is a mistake in this file."""
    name, *steps = path.split(".")
    node = resources[name]["Properties"] if name in resources else None
    if node is None:
        raise KeyError(name)
    for step in steps[:-1]:
        node = node[int(step)] if isinstance(node, list) else node[step]
    last = steps[-1]
    return (node, int(last)) if isinstance(node, list) else (node, last)


def without_statement(resource: str, sid: str) -> Callable[[Resources], None]:
    """Takes a statement out of a policy."""

    def change(resources: Resources) -> None:
        properties = resources[resource]["Properties"]
        policies = [p.get("Fn::If", [None, p])[1] for p in properties.get("Policies", [properties])]
        documents = [p["PolicyDocument"] for p in policies]
        before = sum(len(document["Statement"]) for document in documents)
        for document in documents:
            document["Statement"] = [s for s in document["Statement"] if s.get("Sid") != sid]
        assert sum(len(document["Statement"]) for document in documents) == before - 1, (resource, sid)

    return change


def add(name: str, resource: dict[str, Any]) -> Callable[[Resources], None]:
    """Adds a resource of which nobody has thought."""
    return lambda resources: resources.update({name: resource})


def remove(name: str) -> Callable[[Resources], None]:
    """Takes a resource away."""
    return lambda resources: resources.pop(name)


def each(kind: str, change: Callable[[Any], Any]) -> Callable[[Resources], None]:
    """Does the same to the properties of every resource of a type."""

    def changed(resources: Resources) -> None:
        found = [r["Properties"] for r in resources.values() if r["Type"] == kind]
        assert found, kind
        for properties in found:
            change(properties)

    return changed


OPEN_RULE = {"IpProtocol": "tcp", "FromPort": 443, "ToPort": 443, "CidrIp": "0.0.0.0/0"}
BUCKETS = "test_buckets_are_encrypted_closed_and_tls_only"
LOCKED = "test_evidence_is_locked"
QUEUES = "test_queues_are_encrypted_and_tls_only"
KEPT = "test_no_message_is_lost"
FUNCTIONS = "test_functions_log_trace_and_hold_no_secret"
VERSIONS = "test_functions_are_released_by_version"
WIRED = "test_every_alarm_is_wired_to_the_topic"
WATCHED = "test_everything_that_can_go_wrong_has_an_alarm"
NETWORK = "test_the_network_lets_only_the_worker_out_and_only_there"
WAREHOUSE = "test_the_warehouse_is_closed"
SECRETS = "test_secret_and_topic_are_encrypted"

RETENTION = "EvidenceBucket.ObjectLockConfiguration.Rule.DefaultRetention"

BREAKAGES = [
    # Encryption.
    Breakage("a bucket with S3's own key", BUCKETS, put("StateBucket.BucketEncryption.ServerSideEncryptionConfiguration.0.ServerSideEncryptionByDefault", {"SSEAlgorithm": "AES256"})),
    Breakage("a bucket without encryption", BUCKETS, drop("EvidenceBucket.BucketEncryption")),
    Breakage("a queue without a key", QUEUES, drop("JobsQueue.KmsMasterKeyId")),
    Breakage("a dead-letter queue without a key", QUEUES, drop("StartDeadLetters.KmsMasterKeyId")),
    Breakage("a topic without a key", SECRETS, drop("AlarmTopic.KmsMasterKeyId")),
    Breakage("a secret under AWS's key", SECRETS, drop("SourceSecret.KmsKeyId")),
    Breakage("a secret with a value in the template", SECRETS, put("SourceSecret.SecretString", "x")),
    Breakage("a log group without a key", FUNCTIONS, drop("WorkerLogs.KmsKeyId")),
    Breakage("a warehouse under AWS's key", WAREHOUSE, drop("Namespace.KmsKeyId")),
    Breakage("a key that does not rotate", "test_keys_rotate_or_cannot", put("EncryptionKey.EnableKeyRotation", False)),
    Breakage("a key that can be gone in a week", "test_keys_rotate_or_cannot", put("SigningKey.PendingWindowInDays", 7)),
    Breakage("a key without S3 among its users", "test_services_reach_what_is_encrypted", put("EncryptionKey.KeyPolicy.Statement.1.Principal.Service", ["cloudwatch.amazonaws.com"])),
    Breakage("a key for any account's alarms", "test_services_reach_what_is_encrypted", drop("EncryptionKey.KeyPolicy.Statement.1.Condition")),
    # No public access.
    Breakage("a bucket that may be made public", BUCKETS, put("EvidenceBucket.PublicAccessBlockConfiguration.BlockPublicPolicy", False)),
    Breakage("a bucket with half a block", BUCKETS, drop("StateBucket.PublicAccessBlockConfiguration.IgnorePublicAcls")),
    Breakage("a bucket with ACLs", BUCKETS, drop("EvidenceBucket.OwnershipControls")),
    Breakage("a function URL for everybody", "test_the_function_url_needs_iam", put("DispatcherFunction.FunctionUrlConfig.AuthType", "NONE")),
    Breakage("a public warehouse", WAREHOUSE, put("Workgroup.PubliclyAccessible", True)),
    Breakage("a worker with the internet", NETWORK, put("WorkerSecurityGroup.SecurityGroupEgress.1", OPEN_RULE)),
    Breakage("a worker with another port", NETWORK, put("WorkerSecurityGroup.SecurityGroupEgress.0.FromPort", 22)),
    Breakage("a group that lets something in", NETWORK, put("WorkerSecurityGroup.SecurityGroupIngress", [OPEN_RULE])),
    Breakage("endpoints that may call everywhere", NETWORK, put("EndpointSecurityGroup.SecurityGroupEgress", [])),
    # TLS only.
    Breakage("a bucket that answers without TLS", BUCKETS, without_statement("EvidenceBucketPolicy", "TlsOnly")),
    Breakage("objects that answer without TLS", BUCKETS, put("StateBucketPolicy.PolicyDocument.Statement.0.Resource", {"Fn::Sub": "arn:aws:s3:::${StateBucket}"})),
    Breakage("a bucket without policy", BUCKETS, remove("StateBucketPolicy")),
    Breakage("a queue that answers without TLS", QUEUES, without_statement("ReceiptsQueuePolicy", "TlsOnly")),
    Breakage("a dead-letter queue without policy", QUEUES, remove("JobsDeadLettersPolicy")),
    Breakage("a topic that answers without TLS", SECRETS, without_statement("AlarmTopicPolicy", "TlsOnly")),
    Breakage("a warehouse without TLS", WAREHOUSE, put("Workgroup.ConfigParameters", [])),
    # A dead-letter queue for everything.
    Breakage("a queue without dead letters", KEPT, drop("JobsQueue.RedrivePolicy")),
    Breakage("two queues with the same dead letters", KEPT, put("ReceiptsQueue.RedrivePolicy.deadLetterTargetArn", {"Fn::GetAtt": "JobsDeadLetters.Arn"})),
    Breakage("dead letters that are gone before the queue's", KEPT, put("JobsDeadLetters.MessageRetentionPeriod", 3600)),
    Breakage("a new queue without dead letters", KEPT, add("Extra", {"Type": "AWS::SQS::Queue", "Properties": {"QueueName": "soxauto-x"}})),
    Breakage("a schedule without dead letters", KEPT, drop("DispatcherFunction.Events.Month.Properties.DeadLetterConfig")),
    Breakage("a schedule that tries once", KEPT, drop("FinalizerFunction.Events.Sweep.Properties.RetryPolicy")),
    Breakage("an asynchronous function without a destination", KEPT, drop("FinalizerFunction.EventInvokeConfig")),
    Breakage("a batch that fails as a whole", KEPT, drop("FinalizerFunction.Events.Receipts.Properties.FunctionResponseTypes")),
    Breakage("a worker that a throttle can starve", KEPT, put("WorkerFunction.ReservedConcurrentExecutions", 2)),
    Breakage("a message that is back while it is worked on", KEPT, put("JobsQueue.VisibilityTimeout", 900)),
    Breakage("a worker that gives up too late", "test_the_worker_gives_up_when_the_queue_does", put("WorkerFunction.Environment.Variables.SOXAUTO_MAX_RECEIVES", "5")),
    # Object Lock.
    Breakage("prod in governance mode", LOCKED, put(f"{RETENTION}.Mode", "GOVERNANCE")),
    Breakage("prod for three years", LOCKED, put(f"{RETENTION}.Years.Fn::If.1", 3)),
    Breakage("evidence without a lock", LOCKED, drop("EvidenceBucket.ObjectLockConfiguration")),
    Breakage("evidence that cannot be locked", LOCKED, put("EvidenceBucket.ObjectLockEnabled", False)),
    Breakage("evidence without versions", LOCKED, put("EvidenceBucket.VersioningConfiguration.Status", "Suspended")),
    Breakage("evidence that expires", LOCKED, put("EvidenceBucket.LifecycleConfiguration.Rules.0.ExpirationInDays", 30)),
    Breakage("unfinished uploads for ever", LOCKED, put("EvidenceBucket.LifecycleConfiguration.Rules", [])),
    Breakage("evidence that a delete marker hides", "test_evidence_is_not_hidden_and_not_replaced", without_statement("EvidenceBucketPolicy", "NobodyDeletes")),
    Breakage("versions that may be deleted", "test_evidence_is_not_hidden_and_not_replaced", put("EvidenceBucketPolicy.PolicyDocument.Statement.1.Action", "s3:DeleteObject")),
    Breakage("evidence that some may delete", "test_evidence_is_not_hidden_and_not_replaced", put("EvidenceBucketPolicy.PolicyDocument.Statement.1.Condition", {"Bool": {"aws:MultiFactorAuthPresent": "false"}})),
    Breakage("evidence that is written over", "test_evidence_is_not_hidden_and_not_replaced", without_statement("EvidenceBucketPolicy", "NobodyOverwrites")),
    Breakage("uploads in parts that are refused", "test_evidence_is_not_hidden_and_not_replaced", drop("EvidenceBucketPolicy.PolicyDocument.Statement.2.Condition.Bool")),
    # Logs and traces.
    Breakage("logs for ever", FUNCTIONS, drop("CheckLogs.RetentionInDays")),
    Breakage("prod's logs for a day", FUNCTIONS, put("DispatcherLogs.RetentionInDays", 1)),
    Breakage("prod's logs for a quarter", FUNCTIONS, put("FinalizerLogs.RetentionInDays", 90)),
    Breakage("a function whose log group Lambda makes", FUNCTIONS, drop("WorkerFunction.LoggingConfig")),
    Breakage("a check without traces", FUNCTIONS, put("WorkerCheck.TracingConfig.Mode", "PassThrough")),
    Breakage("a password among the settings", FUNCTIONS, put("WorkerFunction.Environment.Variables.SOURCE_PASSWORD", "x")),
    # Alarms.
    Breakage("an alarm that tells nobody", WIRED, drop("WorkerErrorsAlarm.AlarmActions")),
    Breakage("alarms that tell nobody", WIRED, each("AWS::CloudWatch::Alarm", lambda alarm: alarm.pop("AlarmActions"))),
    Breakage("an alarm that does not say what silence means", WIRED, drop("MissingMonthAlarm.TreatMissingData")),
    Breakage("an alarm without a word", WIRED, put("JobsAgeAlarm.AlarmDescription", "Old.")),
    Breakage("an alarm that is off", WIRED, put("JobsDeadLettersAlarm.ActionsEnabled", False)),
    Breakage("no alarm on dead letters", WATCHED, remove("ReceiptsDeadLettersAlarm")),
    Breakage("no alarm on a month that is missing", WATCHED, remove("MissingMonthAlarm")),
    Breakage("no alarm on throttles", WATCHED, remove("FinalizerThrottlesAlarm")),
    Breakage("no alarm on old receipts", WATCHED, remove("ReceiptsAgeAlarm")),
    Breakage("an alarm on the wrong queue", WATCHED, put("JobsDeadLettersAlarm.Dimensions.0.Value", {"Fn::GetAtt": "JobsQueue.QueueName"})),
    Breakage("an alarm on a metric that nobody emits", WATCHED, put("RejectedIpeAlarm.MetricName", "IpesRejected")),
    Breakage("a stopped sweep that nobody notices", WATCHED, remove("SweepStoppedAlarm")),
    Breakage("an alarm after the timeout", "test_a_duration_near_the_timeout_is_an_alarm", put("WorkerDurationAlarm.Threshold", 900001)),
    Breakage("a graph of nothing", "test_the_dashboard_shows_what_is_measured", put("Dashboard.DashboardBody", '{"widgets": [{"properties": {"metrics": [["soxauto", "RowsRead"]]}}]}')),
    # Releases.
    Breakage("a function without a dry run", VERSIONS, put("WorkerFunction.DeploymentPreference.Hooks", {"PreTraffic": {"Ref": "DispatcherCheck"}})),
    Breakage("a function without versions", VERSIONS, drop("FinalizerFunction.AutoPublishAlias")),
    Breakage("settings that do not reach live", VERSIONS, put("DispatcherFunction.AutoPublishAliasAllProperties", False)),
    Breakage("rights that come after the role", "test_a_role_has_its_rights_from_the_start", add("Extra", {"Type": "AWS::IAM::RolePolicy", "Properties": {"RoleName": {"Ref": "WorkerRole"}}})),
    Breakage("a reviewers' key with grants", "test_the_reviewers_key_cannot_be_lent", put("ReviewSigningKey.KeyPolicy.Statement.0.Action.0", "kms:Create*")),
    # The rest.
    Breakage("a name that two stacks would share", "test_names_carry_the_stack", put("JobsQueue.QueueName", "jobs")),
    Breakage("a region in the template", "test_no_region_or_account_is_written_down", put("CopyRole.Description", "for eu-west-1")),
    Breakage("a month at another hour", "test_the_schedule_is_the_first_of_the_month_in_the_controls_zone", put("DispatcherFunction.Events.Month.Properties.ScheduleExpression", "cron(0 10 1 * ? *)")),
    Breakage("a setting that is missing", "test_every_setting_that_a_function_reads_is_given", drop("FinalizerFunction.Environment.Variables.SOXAUTO_SIGNING_KEY")),
    Breakage("a setting that nobody reads", "test_every_setting_that_a_function_reads_is_given", put("WorkerFunction.Environment.Variables.SOXAUTO_SPARE", "x")),
]

# The rights of roles: not by rule, but against the code.
ROLES = [
    Breakage("a role with more", "test_a_function_may_do_what_its_code_does_and_no_more", put("WorkerRole.Policies.0.PolicyDocument.Statement.2.Action", ["sqs:*"])),
    Breakage("a role with less", "test_a_function_may_do_what_its_code_does_and_no_more", without_statement("FinalizerRole", "SignManifests")),
    Breakage("a role for every secret", "test_nothing_but_the_listed_exceptions_is_a_star", put("WorkerRole.Policies.0.PolicyDocument.Statement.3.Resource", "*")),
    Breakage("one of AWS's wide policies", "test_roles_are_plain", put("DispatcherRole.ManagedPolicyArns", ["arn:aws:iam::aws:policy/AdministratorAccess"])),
    Breakage("a role that is not looked at", "test_every_role_is_checked_here", add("SpareRole", {"Type": "AWS::IAM::Role", "Properties": {}})),
    Breakage("a check that may call everything", "test_a_check_may_do_what_its_code_does", put("CheckRole.Policies.0.PolicyDocument.Statement.2.Resource", ["arn:aws:lambda:eu-west-1:111122223333:function:*"])),
    Breakage("a schedule that may call everything", "test_the_scheduler_may_invoke_what_is_scheduled", put("SchedulerRole.Policies.0.PolicyDocument.Statement.0.Resource", ["arn:aws:lambda:eu-west-1:111122223333:function:*"])),
    Breakage("a worker whose code may make network interfaces", "test_the_workers_code_cannot_use_the_rights_to_network_interfaces", without_statement("WorkerRole", "NotFromTheFunctionsCode")),
]

# Changes: what a deployment must not replace, and what must outlive the stack.
CHANGES = [
    Breakage("a bucket that is named by its stage", "test_a_changed_parameter_replaces_nothing", put("StateBucket.BucketName", {"Fn::Sub": "${AWS::StackName}-state-${Stage}"})),
    Breakage("a queue that is named by its control", "test_a_changed_parameter_replaces_nothing", put("JobsQueue.QueueName", {"Fn::Sub": "${AWS::StackName}-jobs-${Control}"})),
    Breakage("evidence that goes with the stack", "test_what_holds_evidence_outlives_the_stack", lambda resources: resources["EvidenceBucket"].pop("DeletionPolicy")),
    Breakage("a signing key that goes with its replacement", "test_what_holds_evidence_outlives_the_stack", lambda resources: resources["SigningKey"].pop("UpdateReplacePolicy")),
    Breakage("a failed creation that is in the way of the next", "test_what_holds_evidence_outlives_the_stack", lambda resources: resources["SourceSecret"].update(DeletionPolicy="Retain")),
    Breakage("evidence that may be deleted once the stack is gone", "test_the_evidence_buckets_policy_outlives_the_stack_too", lambda resources: resources["EvidenceBucketPolicy"].pop("DeletionPolicy")),
]

# Deployments: what reaches `live`.
DEPLOYMENTS = [
    Breakage("a release of which Lambda makes no version", "test_a_changed_setting_reaches_live", put("WorkerFunction.Description", "The worker.")),
    Breakage("a setting that does not reach live", "test_a_changed_setting_reaches_live", put("WorkerFunction.VersionDescription", "the worker")),
]


def outcome(case: type[unittest.TestCase], rule: str, breakage: Breakage | None) -> unittest.TestResult:
    """Runs one rule over the template, whole or broken."""
    template = resolve.source()
    if breakage is not None:
        breakage.change(template["Resources"])
    text = json.dumps(template)
    result = unittest.TestResult()
    with mock.patch.object(resolve, "_source", lambda: text), mock.patch.object(
        test_rules, "template_text", lambda: text
    ):
        transformed._transform.cache_clear()
        transformed._evaluated.cache_clear()
        try:
            case(rule).run(result)
        finally:
            transformed._transform.cache_clear()
            transformed._evaluated.cache_clear()
    return result


class MutationTest(unittest.TestCase):
    def test_each_breakage_is_seen_by_its_rule(self) -> None:
        all_breakages = (
            (test_rules.RulesTest, BREAKAGES),
            (test_roles.RolesTest, ROLES),
            (test_changes.ChangesTest, CHANGES),
            (test_changes.DeploymentsTest, DEPLOYMENTS),
        )
        for case, breakages in all_breakages:
            for breakage in breakages:
                with self.subTest(breakage=breakage.what):
                    result = outcome(case, breakage.rule, breakage)
                    self.assertEqual(result.testsRun, 1)
                    self.assertFalse(result.wasSuccessful(), f"{breakage.rule} does not see it")

    def test_each_rule_is_broken_by_something(self) -> None:
        rules = set(unittest.defaultTestLoader.getTestCaseNames(test_rules.RulesTest))
        self.assertEqual(rules - {breakage.rule for breakage in BREAKAGES}, set())

    def test_the_whole_template_passes_here_too(self) -> None:
        """Otherwise a rule could fail above for another reason than its breakage."""
        for rule in sorted({breakage.rule for breakage in BREAKAGES}):
            self.assertTrue(outcome(test_rules.RulesTest, rule, None).wasSuccessful(), rule)


if __name__ == "__main__":
    unittest.main()
