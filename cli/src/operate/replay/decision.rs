//! What a replay of one IPE would do, decided before anything is done.

use soxauto_cloud::queue::{QueueDepth, ReceivedMessage};
use soxauto_domain::Job;

use crate::operate::standing::Standing;

/// What is done about one IPE.
#[derive(Debug)]
pub(super) enum Decision {
    /// The dead letter goes back to the jobs queue.
    Send(Job, ReceivedMessage),
    /// There is no dead letter: a message is made from the plan.
    Rebuild,
    /// The IPE has ended well; what an interrupted replay left in the dead letters is removed.
    Clear(ReceivedMessage),
    /// Nothing; the dead letter, if one is held, is let go of.
    Refuse(Refusal, Option<ReceivedMessage>),
}

/// Why an IPE is not replayed.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub(super) enum Refusal {
    /// There is nothing to repeat.
    #[error("it has passed; to do the month again, supersede the run")]
    Passed,
    /// Repeating would change nothing.
    #[error(
        "it is rejected: a check says no, and would again. Its owner decides; then supersede the run"
    )]
    Rejected,
    /// A worker is at it.
    #[error("it is in flight: a worker is at step {0:?}")]
    Working(String),
    /// Its message may still be on its way.
    #[error(
        "it may be in flight: its message is not among the dead letters, and {0} are still in the jobs queue. Try again when they are done, or insist with --rebuild"
    )]
    Queued(u64),
    /// Somebody else holds dead letters at this moment.
    #[error(
        "{0} dead letter(s) are held by somebody else for a moment; try again in half a minute, or insist with --rebuild"
    )]
    Held(u64),
    /// The message is not about the plan that is stored.
    #[error(
        "PLAN_DIGEST_MISMATCH: its dead letter names another plan than the run's. It stays where it is (docs/SECURITY.md)"
    )]
    OtherPlan,
}

impl Refusal {
    /// Whether the IPE's message is on its way anyway: of a whole run, that is no failure.
    pub(super) fn is_in_flight(&self) -> bool {
        matches!(self, Self::Working(_) | Self::Queued(_))
    }
}

/// What is known besides the IPE itself.
pub(super) struct Surroundings {
    /// Messages in the jobs queue.
    pub(super) jobs: QueueDepth,
    /// Dead letters that somebody else holds.
    pub(super) held_elsewhere: u64,
    /// Whether the operator wants a message whatever may be on its way.
    pub(super) insist: bool,
}

/// Decides about one IPE.
pub(super) fn decide(
    standing: &Standing,
    letter: Option<(Job, ReceivedMessage)>,
    around: &Surroundings,
) -> Decision {
    let queued = around.jobs.visible + around.jobs.in_flight + around.jobs.delayed;
    match (standing, letter) {
        (Standing::Passed { .. } | Standing::Rejected, Some((_, message))) => {
            Decision::Clear(message)
        }
        (Standing::Passed { .. }, None) => Decision::Refuse(Refusal::Passed, None),
        (Standing::Rejected, None) => Decision::Refuse(Refusal::Rejected, None),
        (Standing::Working { stage, .. }, letter) => Decision::Refuse(
            Refusal::Working(stage.clone()),
            letter.map(|(_, message)| message),
        ),
        (Standing::Failed { .. } | Standing::Waiting, Some((job, message))) => {
            Decision::Send(job, message)
        }
        (Standing::Failed { .. } | Standing::Waiting, None) => match (around.insist, queued) {
            (true, _) => Decision::Rebuild,
            (false, 0) if around.held_elsewhere == 0 => Decision::Rebuild,
            (false, 0) => Decision::Refuse(Refusal::Held(around.held_elsewhere), None),
            (false, _) => Decision::Refuse(Refusal::Queued(queued), None),
        },
    }
}
