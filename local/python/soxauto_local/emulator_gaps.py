"""What the emulator's CloudFormation cannot do, left out of a template or done through service APIs after a deployment.

ministack 1.5.33 has no CodeDeploy, ignores a bucket's Object Lock properties, and keeps a number that came through a
parameter as a text, on which its queue poller then stumbles. AWS needs none of this.
"""

from __future__ import annotations

from typing import Any


def leave_out(template: dict[str, Any]) -> None:
    """Take out of ``template`` what the emulator refuses: it has no CodeDeploy, so a new version is live at once."""
    for resource in template["Resources"].values():
        if resource["Type"] == "AWS::Serverless::Function":
            resource["Properties"].pop("DeploymentPreference", None)


def close(
    s3: Any,
    functions: Any,
    stack: str,
    template: dict[str, Any],
    given: dict[str, str],
    evidence_bucket: str,
) -> None:
    """Make the deployed ``stack`` what ``template`` says with the parameters ``given``."""
    _lock_evidence(s3, template, given, evidence_bucket)
    _make_concurrency_a_number(functions, stack)


def _lock_evidence(s3: Any, template: dict[str, Any], given: dict[str, str], bucket: str) -> None:
    def value(of: Any) -> Any:
        if isinstance(of, dict):
            of = given.get(of["Ref"], template["Parameters"][of["Ref"]]["Default"])
        return of

    stage = value({"Ref": "Stage"})
    rule = template["Resources"]["EvidenceBucket"]["Properties"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    # `Years` is !If [IsProd, n, none] and `Days` the opposite.
    retention: dict[str, Any] = {"Mode": template["Mappings"]["ByStage"][stage]["LockMode"]}
    if stage == "prod":
        retention["Years"] = int(value(rule["Years"]["Fn::If"][1]))
    else:
        retention["Days"] = int(value(rule["Days"]["Fn::If"][2]))
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


def _make_concurrency_a_number(functions: Any, stack: str) -> None:
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        if f":function:{stack}-" not in mapping["FunctionArn"]:
            continue
        limit = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        if limit is not None:
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": int(limit)}
            )
