//! The event with which EventBridge Scheduler starts a month.

use serde_json::{Value, json};

use crate::error::StackError;

/// The event that Scheduler sends for a deployed `schedule`: its input, placeholders filled in, with the cutoff and the
/// IPEs that the user asked for, if any.
pub(crate) fn scheduled_event(
    schedule: &Value,
    scheduled_time: &str,
    execution_id: &str,
    cutoff: Option<&str>,
    ipes: &[String],
) -> Result<Value, StackError> {
    let unreadable = |reason: String| StackError::Request {
        action: "read the month's schedule".to_owned(),
        reason,
    };
    let input = schedule
        .pointer("/Target/Input")
        .and_then(Value::as_str)
        .ok_or_else(|| unreadable("it has no input".to_owned()))?
        .replace("<aws.scheduler.scheduled-time>", scheduled_time)
        .replace("<aws.scheduler.execution-id>", execution_id);
    let mut event: Value =
        serde_json::from_str(&input).map_err(|error| unreadable(error.to_string()))?;
    if let Some(cutoff) = cutoff {
        event["cutoff_date"] = json!(cutoff);
    }
    if !ipes.is_empty() {
        event["ipes"] = json!(ipes);
    }
    Ok(event)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn placeholders_are_filled_and_the_rest_is_kept() {
        let schedule = json!({"Target": {"Input":
            r#"{"schema":"soxauto.start/1","scheduled_time":"<aws.scheduler.scheduled-time>","execution_id":"<aws.scheduler.execution-id>","cutoff_date":null}"#}});
        let event = scheduled_event(&schedule, "2024-05-01T07:00:00Z", "e-1", None, &[]).unwrap();
        assert_eq!(
            event,
            json!({"schema": "soxauto.start/1", "scheduled_time": "2024-05-01T07:00:00Z", "execution_id": "e-1",
                "cutoff_date": null})
        );
        let event = scheduled_event(
            &schedule,
            "2024-05-01T07:00:00Z",
            "e-1",
            Some("2024-04-01"),
            &["IPE_07".to_owned()],
        )
        .unwrap();
        assert_eq!(event["cutoff_date"], "2024-04-01");
        assert_eq!(event["ipes"], json!(["IPE_07"]));
    }
}
