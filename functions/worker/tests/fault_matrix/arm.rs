//! From a cell's words to what goes wrong.

use std::time::Duration;

use soxauto_cloud::lease::Leases;
use soxauto_domain::layout::state;
use soxauto_e2e::{
    faults::{Cell, Step},
    tripwire,
};
use soxauto_tds::SqlError;

use crate::{
    source::{ALWAYS, Misdeed},
    support::RUN,
    world::{SHORT, World},
};

/// A fault that is planned.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Inflicted {
    /// At a call.
    Call,
    /// At a call, where the process stands still until another one has done its work.
    Frozen,
    /// By the source.
    Source,
    /// By whoever sends messages: it has happened already.
    Already,
    /// Two deliveries at once, the second to a clock that is ahead by so many seconds.
    Twins(u64),
}

impl Inflicted {
    /// Delivers until nothing is left; what was answered.
    pub(crate) async fn answers(self, world: &mut World) -> String {
        let answers = match self {
            Self::Twins(ahead) => {
                world
                    .deliver_twice_at_once(Duration::from_secs(ahead))
                    .await
            }
            _ => world.settle(self == Self::Frozen).await,
        };
        answers.join(", ")
    }

    /// Whether it happened.
    pub(crate) fn has_happened(self, world: &World) -> bool {
        match self {
            Self::Call | Self::Frozen => world.tripwire.has_happened(),
            Self::Source => world.source.has_misbehaved(),
            Self::Already | Self::Twins(_) => true,
        }
    }
}

/// Plans the fault of a cell.
pub(crate) async fn arm(world: &mut World, step: &Step, cell: &Cell) -> Inflicted {
    match step.call.as_str() {
        "message" => message(world, &cell.fault).await,
        "clock" => clock(world, &cell.fault).await,
        call => match tripwire::of_call(&cell.fault) {
            Some(what) => {
                if call == "GetObject receipt.json" {
                    // Only who comes when all is done has one to read.
                    world.send().await;
                }
                world.tripwire.arm(call, step.nth, what);
                match cell.fault == "frozen" {
                    true => Inflicted::Frozen,
                    false => Inflicted::Call,
                }
            }
            None if call == "PutObject IPE's lease" && cell.fault == "rival" => {
                held_by_a_rival(world, Duration::ZERO).await;
                Inflicted::Already
            }
            None => source(world, step, &cell.fault).await,
        },
    }
}

/// What SQL Server does.
async fn source(world: &mut World, step: &Step, fault: &str) -> Inflicted {
    let (fault, times) = match fault.strip_suffix(" always") {
        Some(fault) => (fault, ALWAYS),
        None => (fault, 1),
    };
    let misdeed = match fault {
        "deadlock victim" => Misdeed::Error(SqlError::deadlock_victim(51)),
        "failing over" => Misdeed::Error(SqlError::database_unavailable("d", "localhost")),
        "login refused" => Misdeed::Error(SqlError::login_failed("reader", 8)),
        "no such database" => Misdeed::Error(SqlError::cannot_open_database("d")),
        "cut" => Misdeed::Cut,
        "cut mid-row" => Misdeed::CutMidRow,
        "stalled" => Misdeed::Stalled,
        "silent" => {
            world.first_time = SHORT;
            Misdeed::Silent
        }
        "source moved" => Misdeed::Posted,
        "taken back" => Misdeed::TakenBack,
        "drifted" => Misdeed::Drifted,
        "rotated" | "half rotated" => {
            rotate(world, fault == "half rotated").await;
            return Inflicted::Already;
        }
        other => panic!("{other} is no fault of {}", step.call),
    };
    let times = match misdeed {
        // It stays so.
        Misdeed::Drifted => ALWAYS,
        _ => times,
    };
    let statement = match step.call.as_str() {
        "source: connect" => "source: login",
        "source: identity" => "source: identity",
        "source: describe" => "source: describe",
        "source: count" => "source: count",
        "source: bounds" => "source: bounds",
        "source: witness" => "source: witness",
        "source: rows" => "source: rows",
        "source: negative" => "source: negative",
        other => panic!("{other} is no statement"),
    };
    world.source.trouble(statement, step.nth, times, misdeed);
    Inflicted::Source
}

/// The worker has the secret in its memory, and SQL Server has another password; the new secret is there already, or comes.
async fn rotate(world: &World, is_half_done: bool) {
    let current = world.source.secret(false);
    world.secrets.put("source", &world.source.secret(true));
    world.warm().await;
    let secrets = world.secrets.clone();
    if is_half_done {
        tokio::spawn(async move {
            tokio::time::sleep(Duration::from_millis(500)).await;
            secrets.put("source", &current);
        });
    } else {
        secrets.put("source", &current);
    }
}

/// What becomes of the message.
async fn message(world: &mut World, fault: &str) -> Inflicted {
    match fault {
        "sent twice" => world.send().await,
        "delivered twice at once" => return Inflicted::Twins(0),
        other => panic!("{other} is nothing that happens to a message"),
    }
    Inflicted::Already
}

/// Whose clock is wrong, where a rival has the lease.
async fn clock(world: &mut World, fault: &str) -> Inflicted {
    match fault {
        // The rival is dead, and its lease is over by its own clock long before it is by this worker's.
        "clock behind" => held_by_a_rival(world, Duration::from_secs(300)).await,
        // The rival is at work.
        "clock ahead" => return Inflicted::Twins(300),
        other => panic!("{other} is nothing that a clock does"),
    }
    Inflicted::Already
}

async fn held_by_a_rival(world: &World, more: Duration) {
    let key = state::ipe_lease(&RUN.parse().unwrap(), &"IPE_07".parse().unwrap());
    let leases = Leases::new(
        std::sync::Arc::new(world.state.clone()),
        std::sync::Arc::new(world.clock.clone()),
    );
    let time = Duration::from_secs(60) + more;
    leases.acquire(&key, "a rival", time).await.unwrap();
}
