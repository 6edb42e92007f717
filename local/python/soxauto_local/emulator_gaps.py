"""What the emulator's CloudFormation leaves out of a template, done through its service APIs after a deployment.

ministack 1.5.33 ignores a bucket's Object Lock properties, and keeps a number that came through a parameter as a text,
on which its queue poller then stumbles. AWS needs none of this.
"""

from __future__ import annotations

from typing import Any


def close(s3: Any, functions: Any, template: dict[str, Any], parameters: dict[str, str], evidence_bucket: str) -> None:
    """Make the deployed stack what ``template`` says."""
    _lock_evidence(s3, template, parameters, evidence_bucket)
    _make_concurrency_a_number(functions)


def _lock_evidence(s3: Any, template: dict[str, Any], parameters: dict[str, str], bucket: str) -> None:
    stage = parameters.get("Stage", template["Parameters"]["Stage"]["Default"])
    rule = template["Resources"]["EvidenceBucket"]["Properties"]["ObjectLockConfiguration"]["Rule"]["DefaultRetention"]
    # `Years` is !If [IsProd, n, none] and `Days` the opposite.
    retention: dict[str, Any] = {"Mode": template["Mappings"]["ByStage"][stage]["LockMode"]}
    if stage == "prod":
        retention["Years"] = rule["Years"]["Fn::If"][1]
    else:
        retention["Days"] = rule["Days"]["Fn::If"][2]
    s3.put_object_lock_configuration(
        Bucket=bucket,
        ObjectLockConfiguration={"ObjectLockEnabled": "Enabled", "Rule": {"DefaultRetention": retention}},
    )


def _make_concurrency_a_number(functions: Any) -> None:
    for mapping in functions.list_event_source_mappings()["EventSourceMappings"]:
        limit = mapping.get("ScalingConfig", {}).get("MaximumConcurrency")
        if limit is not None:
            functions.update_event_source_mapping(
                UUID=mapping["UUID"], ScalingConfig={"MaximumConcurrency": int(limit)}
            )
