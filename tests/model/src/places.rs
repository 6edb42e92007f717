//! Where the model's steps stand in the code, in their order: a test reads the files, so that a step that is moved,
//! renamed or removed there is noticed here.

/// Steps of one function of the code.
#[derive(Debug, Clone, Copy)]
pub struct Place {
    /// The file, relative to the root.
    pub file: &'static str,
    /// The function in it.
    pub function: &'static str,
    /// Of each step in order: its name in the model, and how its line in the code begins to be recognised.
    pub steps: &'static [(&'static str, &'static str)],
}

/// Every place.
pub const PLACES: &[Place] = &[
    Place {
        file: "functions/dispatcher/src/start.rs",
        function: "find_or_plan",
        steps: &[
            (
                "dispatcher::At::Waiting",
                ".latest(&catalog.control_id, cutoff)",
            ),
            (
                "dispatcher::At::Plan",
                ".create(&context.reader.layout().plan(&run)",
            ),
        ],
    },
    Place {
        file: "functions/dispatcher/src/start.rs",
        function: "dispatch",
        steps: &[
            ("dispatcher::At::Marker", "open_marker("),
            ("dispatcher::At::Send", "send_batch("),
            ("dispatcher::At::Dispatched", "dispatched_at: Some("),
        ],
    },
    Place {
        file: "functions/worker/src/job.rs",
        function: "run",
        steps: &[
            ("worker::At::Acquire", ".acquire("),
            ("worker::At::Read", "context.reader.ipe("),
            ("worker::At::Read", "next_attempt()"),
            ("worker::At::Extracting", "extract_and_commit("),
            ("worker::At::Failure", "failed("),
            ("worker::At::Release", "release(lease)"),
        ],
    },
    Place {
        file: "functions/worker/src/attempt.rs",
        function: "write",
        steps: &[
            ("worker::At::Files", "\"log.jsonl\""),
            ("worker::At::Parts", "complete_uploads("),
            ("worker::At::Receipt", "layout::RECEIPT"),
        ],
    },
    Place {
        file: "functions/finalizer/src/run.rs",
        function: "advance",
        steps: &[
            ("finalizer::At::Acquire", "acquire("),
            ("finalizer::At::Lost", "lost::record("),
            ("finalizer::At::Read", "advance_alone("),
        ],
    },
    Place {
        file: "functions/finalizer/src/lost.rs",
        function: "record",
        steps: &[
            ("finalizer::At::Lost", "is_about("),
            ("finalizer::At::Lost", "leases.read("),
            ("finalizer::At::Record", "write("),
        ],
    },
    Place {
        file: "functions/finalizer/src/run.rs",
        function: "held",
        steps: &[("finalizer::At::Release", "release()")],
    },
    Place {
        file: "functions/finalizer/src/run.rs",
        function: "hear_of",
        steps: &[
            ("finalizer::At::Hear", "settled::read("),
            ("finalizer::At::Hear", "reader.facts_of("),
            ("finalizer::At::Choose", "load_missing("),
            ("finalizer::At::Note", "settled::note("),
            ("finalizer::At::Hear", "marker::read("),
            ("finalizer::At::Hear", "close::is_told("),
            ("finalizer::At::Read", "advance_alone("),
        ],
    },
    Place {
        file: "functions/finalizer/src/run.rs",
        function: "advance_alone",
        steps: &[
            ("finalizer::At::Read", "reader.facts("),
            ("finalizer::At::Read", "marker::mark("),
            ("finalizer::At::Choose", "load_missing("),
            ("finalizer::At::ReadAgain", "reader.facts("),
            ("finalizer::At::Head", "close::close("),
            ("finalizer::At::Hint", "settled::replace("),
            ("finalizer::At::MarkAgain", "marker::mark("),
        ],
    },
    Place {
        file: "functions/finalizer/src/load.rs",
        function: "load_missing",
        steps: &[
            ("finalizer::At::Choose", "choose("),
            ("finalizer::At::Loading", "load("),
        ],
    },
    Place {
        file: "functions/finalizer/src/load.rs",
        function: "load",
        steps: &[
            ("Action::Commit", "sql::delete_run("),
            ("Action::Commit", "sql::copy("),
            ("finalizer::At::Loading", "transaction("),
            ("finalizer::At::Loaded", "layout::LOAD"),
        ],
    },
    Place {
        file: "functions/finalizer/src/close.rs",
        function: "close",
        steps: &[
            ("finalizer::At::Compare", "manifest("),
            ("finalizer::At::Publish", "publish::publish("),
            ("finalizer::At::Forget", "settled::forget("),
            ("finalizer::At::WorkedOn", "is_worked_on("),
            ("finalizer::At::Unmark", "marker.remove("),
        ],
    },
    Place {
        file: "functions/finalizer/src/close.rs",
        function: "manifest",
        steps: &[
            ("finalizer::At::Head", "chain::head("),
            ("finalizer::At::Compare", "refresh("),
            ("finalizer::At::Compare", "same_content("),
            ("finalizer::At::Confirm", "chain::head("),
            ("finalizer::At::Compare", "marker.claim("),
            ("finalizer::At::Stage", "sign_and_append("),
        ],
    },
    Place {
        file: "functions/finalizer/src/chain.rs",
        function: "append",
        steps: &[
            ("finalizer::At::Stage", "staged_manifest("),
            ("finalizer::At::Reserve", "head.reserve("),
            ("finalizer::At::Report", "finish("),
        ],
    },
    Place {
        file: "functions/finalizer/src/chain.rs",
        function: "finish",
        steps: &[
            ("finalizer::At::Report", "layout.report("),
            (
                "finalizer::At::Manifest",
                "layout.manifest(&link.run_id, link.revision),\n            Bytes",
            ),
            ("finalizer::At::MoveHead", "move_head("),
            ("finalizer::At::Unstage", "remove("),
        ],
    },
    Place {
        file: "functions/finalizer/src/sweep.rs",
        function: "sweep",
        steps: &[
            ("Action::Call", "state::OPEN_RUNS"),
            ("Action::Call", "unmarked("),
        ],
    },
    Place {
        file: "cli/src/operate/replay/mod.rs",
        function: "carry_out",
        steps: &[
            ("Action::Replay", "send_batch("),
            ("Action::DeleteLetter", "dead.delete("),
        ],
    },
];
