//! The job message: a pointer to one IPE of a plan.

use serde::{Deserialize, Serialize};

use crate::{
    digest::Sha256,
    id::{IpeId, RunId},
    schema_tag::schema_tag,
};

schema_tag! {
    /// Schema of a job message.
    JobSchema = "soxauto.job/1"
}

/// One message of the jobs queue.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Job {
    /// Always `soxauto.job/1`.
    pub schema: JobSchema,
    /// The run.
    pub run_id: RunId,
    /// The IPE to extract.
    pub ipe_id: IpeId,
    /// The plan.
    pub plan: PlanPointer,
    /// The AWS principal that sent the message again after it had failed; `None` for the dispatcher's own message.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub replayed_by: Option<String>,
}

impl Job {
    /// The dispatcher's message for one IPE of a plan.
    #[must_use]
    pub fn new(run_id: RunId, ipe_id: IpeId, plan: PlanPointer) -> Self {
        Self {
            schema: JobSchema,
            run_id,
            ipe_id,
            plan,
            replayed_by: None,
        }
    }
}

/// Where the plan is, and what it must be.
#[derive(Debug, Clone, PartialEq, Eq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PlanPointer {
    /// Key in the evidence bucket.
    pub key: String,
    /// Digest of the object.
    pub sha256: Sha256,
}

#[cfg(test)]
mod tests {
    use super::*;

    fn job() -> Job {
        let plan = PlanPointer {
            key: "evidence/C-PG-1/2024-05-01/r1/plan.json".to_owned(),
            sha256: Sha256::of("plan"),
        };
        Job::new(
            "C-PG-1/2024-05-01/r1".parse().unwrap(),
            "IPE_07".parse().unwrap(),
            plan,
        )
    }

    #[test]
    fn messages_from_before_replays_are_read() {
        let text = serde_json::to_string(&job()).unwrap();
        assert!(!text.contains("replayed_by"), "{text}");
        assert_eq!(serde_json::from_str::<Job>(&text).unwrap(), job());
    }

    #[test]
    fn a_replay_names_who_asked_and_nothing_else_is_let_in() {
        let replay = Job {
            replayed_by: Some("arn:aws:iam::1:user/o".to_owned()),
            ..job()
        };
        let mut value = serde_json::to_value(&replay).unwrap();
        assert_eq!(
            serde_json::from_value::<Job>(value.clone()).unwrap(),
            replay
        );
        value["attempt"] = 1.into();
        assert!(serde_json::from_value::<Job>(value).is_err());
    }
}
