"""Every place where the template allows more than a rule of ours would, each with its reason. Nothing else may.

The linters' suppressions have their reasons beside them too: cfn-lint's in ``Metadata`` of template.yaml, checkov's in
``checkov.yaml`` of this folder.
"""

from __future__ import annotations

# (role, policy or key, Sid) → why the resource is `*`.
STAR_RESOURCES = {
    ("DispatcherRole", "Traces"): "X-Ray has no resources to name",
    ("WorkerRole", "Traces"): "X-Ray has no resources to name",
    ("FinalizerRole", "Traces"): "X-Ray has no resources to name",
    ("CheckRole", "Traces"): "X-Ray has no resources to name",
    ("WorkerRole", "SeeNetworkInterfaces"): "EC2's Describe actions have no resources to name",
    ("FinalizerRole", "FollowOwnStatements"): "statements have no ARN; the condition names their owner",
    # In a key's policy, `*` is the key itself.
    ("EncryptionKey", "TheAccountAdministersTheKey"): "the key itself",
    ("EncryptionKey", "NotificationsAndAlarmsReachEncryptedQueuesAndTopics"): "the key itself",
    ("EncryptionKey", "LogGroupsOfThisStack"): "the key itself",
    ("SigningKey", "TheAccountAdministersTheKey"): "the key itself",
    ("ReviewSigningKey", "TheAccountAdministersTheKeyAndCannotSign"): "the key itself",
    ("ReviewSigningKey", "ReviewersSign"): "the key itself",
}

# (policy, Sid) → why the action is `service:*`.
STAR_ACTIONS = {
    ("EncryptionKey", "TheAccountAdministersTheKey"): "without it nobody could ever change the key's policy; IAM decides",
    ("SigningKey", "TheAccountAdministersTheKey"): "without it nobody could ever change the key's policy; IAM decides",
    ("ReviewSigningKey", "TheAccountAdministersTheKeyAndCannotSign"): "what AWS recommends to administrators of a key",
}

# Parameters that decide what a thing is, so that changing them makes another thing. The old one is retained.
REPLACING_PARAMETERS = {
    "SourceSecretName": "names the secret",
}
