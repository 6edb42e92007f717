//! Inflicts the faults of cells on calls: at the n-th call of that name for that run and report, once.

use std::sync::{Arc, Mutex};

use bytes::Bytes;
use serde_json::Value;
use soxauto_domain::{IpeId, RunId};
use soxauto_e2e::proxy::{Call, Fault, Judge, Moment, sooner};

use crate::VISIBILITY;

/// Tries of one request that the SDK makes.
const TRIES: u32 = 4;

/// A fault that waits for its call.
#[derive(Debug)]
struct Armed {
    /// As the proxy names it, such as `worker: PutObject receipt.json`.
    call: String,
    run: Option<RunId>,
    ipe: Option<IpeId>,
    /// Calls that pass first.
    spare: u32,
    /// Calls that it is inflicted on; `u32::MAX` for all.
    times: u32,
    fault: String,
}

#[derive(Default)]
struct State {
    armed: Vec<Armed>,
}

/// All faults of the proxy.
#[derive(Default)]
pub(crate) struct Inflictor(Mutex<State>);

/// The same as a judge.
pub(crate) struct Shared(pub(crate) Arc<Inflictor>);

impl Inflictor {
    /// Plans a fault of the matrix. Without a run it meets whoever comes next.
    pub(crate) fn arm(
        &self,
        call: &str,
        (run, ipe): (Option<&RunId>, Option<&IpeId>),
        nth: u32,
        fault: &str,
    ) {
        let times = match fault {
            "refused" => TRIES,
            "refused always" => u32::MAX,
            _ => 1,
        };
        self.0.lock().unwrap().armed.push(Armed {
            call: call.to_owned(),
            run: run.cloned(),
            ipe: ipe.cloned(),
            spare: nth - 1,
            times,
            fault: fault.to_owned(),
        });
    }

    /// Planned faults that have not been inflicted.
    pub(crate) fn outstanding(&self) -> Vec<String> {
        let state = self.0.lock().unwrap();
        let waiting = state
            .armed
            .iter()
            .filter(|a| a.times > 0 && a.times <= TRIES);
        waiting.map(|a| format!("{a:?}")).collect()
    }

    /// Those of one function.
    pub(crate) fn outstanding_of(&self, function: &str) -> Vec<String> {
        let calls = format!("call: \"{function}: ");
        let mut all = self.outstanding();
        all.retain(|text| text.contains(&calls));
        all
    }

    /// Forgets what waits for a function.
    pub(crate) fn disarm_of(&self, function: &str) {
        let calls = format!("{function}: ");
        let armed = &mut self.0.lock().unwrap().armed;
        armed.retain(|armed| !armed.call.starts_with(&calls));
    }
}

impl Judge for Shared {
    fn judge(&self, call: &Call) -> Fault {
        let mut state = self.0.0.lock().unwrap();
        let name = call.name.to_string();
        let meets = |armed: &&mut Armed| {
            armed.times > 0
                && armed.call == name
                && (armed.run.is_none() || armed.run == call.run)
                && (armed.ipe.is_none() || armed.ipe == call.ipe)
        };
        for armed in state.armed.iter_mut().filter(meets) {
            if armed.spare > 0 {
                armed.spare -= 1;
                continue;
            }
            if armed.times < u32::MAX {
                armed.times -= 1;
            }
            return fault(&armed.fault, call);
        }
        sooner(call, VISIBILITY).map_or(Fault::None, Fault::Instead)
    }
}

fn fault(name: &str, call: &Call) -> Fault {
    let (refusal, broken) = if call.service == "s3" {
        ((503, "SlowDown"), "InternalError")
    } else {
        ((400, "ThrottlingException"), "InternalFailure")
    };
    match name {
        "killed before" | "killed" => Fault::Kill(Moment::Before),
        "killed after" => Fault::Kill(Moment::After),
        "refused" | "refused always" => Fault::Answer(Moment::Before, refusal.0, refusal.1),
        "answer lost" => Fault::Answer(Moment::After, 500, broken),
        "cut off" => Fault::Drop(Moment::After),
        "rival" => Fault::Rival(rival(&call.name.kind, &call.body)),
        other => panic!("{other} is no fault of a call"),
    }
}

/// What a rival would have written in the same place: the same document with what is its own.
fn rival(kind: &str, body: &Bytes) -> Bytes {
    let mut json: Value = serde_json::from_slice(body).unwrap_or(Value::Null);
    match kind {
        "plan.json" => json["trigger"]["id"] = "a-rival".into(),
        "marker" => json["dispatched_at"] = "2024-05-01T00:00:00Z".into(),
        "IPE's lease" | "run's lease" => {
            json["id"] = "a-rival".into();
            json["owner"] = "a rival".into();
        }
        "receipt.json" => json["worker"]["request_id"] = "a-rival".into(),
        // A part or a log of its own: other bytes of any kind.
        _ => return Bytes::from_static(b"a rival's\n"),
    }
    Bytes::from(serde_json::to_vec_pretty(&json).unwrap())
}
