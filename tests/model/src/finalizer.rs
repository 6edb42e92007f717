//! The finalizer: lease, facts, lost workers, load, chain, publication, marker (`functions/finalizer/src`).

use soxauto_domain::{IpeState, RunState};

use crate::{
    chain,
    decisions::{decide, run_state},
    protocol::{Action, Mutation, Protocol},
    world::{
        Attempts, Created, Failure, Head, Id, Lease, Link, Manifest, Marker, Run, Transaction,
        World, create,
    },
};

/// What called the finalizer.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Cause {
    /// A receipt or a failure record of an IPE was written.
    Notice(u8),
    /// The schedule of every 15 minutes.
    Sweep,
}

/// Where an invocation is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum At {
    /// The run's lease is to be taken.
    Acquire,
    /// The news is of one IPE: the hint and this IPE's folder are to be read.
    Hear,
    /// What was seen of the IPE is to be noted in the hint.
    Note,
    /// The run's folder is to be read.
    Read,
    /// The sweep looks for the dead letters of IPEs that nobody works on.
    Lost,
    /// A worker that was lost is to be spoken for.
    Record {
        /// Its IPE.
        ipe: u8,
        /// The attempt in whose folder the word is written.
        number: u8,
    },
    /// The next load is to be found, and which attempt it takes.
    Choose,
    /// The warehouse has the transaction.
    Loading {
        /// The IPE.
        ipe: u8,
        /// Its attempt.
        attempt: u8,
    },
    /// The load is to be recorded.
    Loaded {
        /// The IPE.
        ipe: u8,
        /// Its attempt.
        attempt: u8,
    },
    /// After loads the run's folder is to be read again.
    ReadAgain,
    /// The run is not closed yet: the hint is to be written anew.
    Hint,
    /// The chain's head is to be read.
    Head,
    /// The run's last manifest is to be compared, or a new one made.
    Compare,
    /// The last manifest says the same: its reservation must not be left behind.
    Confirm,
    /// The manifest is to be staged.
    Stage,
    /// Its place is to be reserved.
    Reserve,
    /// The reserved manifest's report is to be written.
    Report,
    /// The reserved manifest is to be written.
    Manifest,
    /// The head is to move.
    MoveHead,
    /// What was staged is to be removed.
    Unstage,
    /// The row in the table of runs is to be written.
    Publish,
    /// The hint is to be removed.
    Forget,
    /// Whether a worker still holds an IPE is to be looked up.
    WorkedOn,
    /// The marker is to be deleted.
    Unmark,
    /// The run was closed at its deadline without a load: the sweep has to look at it again.
    MarkAgain,
    /// The lease is to be given back.
    Release,
}

/// An invocation.
#[derive(Debug, Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub struct Finalizer {
    /// Who it is.
    pub id: Id,
    /// The run.
    pub run: u8,
    /// The IPE whose notification called it; the notification comes again if this fails.
    pub news: Option<u8>,
    /// Whether it looks at this IPE only, and the hint as it was read.
    pub hears: Option<u8>,
    /// Whether it has loaded something.
    pub loaded: bool,
    /// Where it is.
    pub at: At,
    /// The run's folder as it was read.
    pub facts: Vec<Attempts>,
    /// Whether the deadline was over when it was read.
    pub late: bool,
    /// The head as it was read; with the reservation that is being finished.
    pub head: Head,
    /// The marker as it was read or written last: only this one is deleted.
    pub marker: Option<Marker>,
    /// The manifest that it makes.
    pub made: Option<Manifest>,
    /// The manifest that says what is known.
    pub link: Option<Link>,
    /// Whether the call failed.
    pub failed: bool,
}

pub(crate) fn actions(protocol: &Protocol, world: &World, actions: &mut Vec<Action>) {
    if world.finalizers.contains(&None) {
        for (run, known) in (0u8..).zip(&world.runs) {
            let many = known.manifests.len() >= usize::from(protocol.bounds.revisions);
            if many && is_busy(world, run) {
                continue;
            }
            for (ipe, notices) in (0u8..).zip(&world.notices[usize::from(run)]) {
                if *notices > 0 {
                    actions.push(Action::Call(run, Cause::Notice(ipe)));
                }
            }
            let unmarked = known.plan.is_some()
                && known.manifests.is_empty()
                && !protocol.has(Mutation::MarkedRunsOnly);
            if known.marker.is_some() || unmarked {
                actions.push(Action::Call(run, Cause::Sweep));
            }
        }
    }
    for (i, finalizer) in world.finalizers.iter().enumerate() {
        let Some(me) = finalizer else { continue };
        let waits =
            matches!(me.at, At::Loading { .. }) && world.transactions.iter().any(|t| t.by == me.id);
        if !waits {
            actions.push(Action::Finalize(i));
        }
        if world.faults.refusals > 0
            && (me.at == At::Publish || matches!(me.at, At::Choose) && pending(me).is_some())
        {
            actions.push(Action::Refuse(i));
        }
        if me.at != At::Acquire && me.at != At::Release && !holds(world, me) {
            actions.push(Action::FinalizerLoses(i));
        }
    }
}

/// Whether a worker or a message of the run is on its way.
fn is_busy(world: &World, run: u8) -> bool {
    world
        .jobs
        .iter()
        .chain(&world.orphans)
        .any(|m| m.run == run)
        || world.workers.iter().flatten().any(|w| w.message.run == run)
}

/// A free finalizer is called.
pub(crate) fn call(world: &mut World, run: u8, cause: Cause) {
    let news = match cause {
        Cause::Notice(ipe) => Some(ipe),
        Cause::Sweep => None,
    };
    let me = Finalizer {
        id: world.fresh(),
        run,
        news,
        hears: None,
        loaded: false,
        at: At::Acquire,
        facts: Vec::new(),
        late: false,
        head: Head::default(),
        marker: None,
        made: None,
        link: None,
        failed: false,
    };
    if let Some(ipe) = news {
        world.notices[usize::from(run)][usize::from(ipe)] -= 1;
    }
    if let Some(free) = world.finalizers.iter_mut().find(|slot| slot.is_none()) {
        *free = Some(me);
    }
}

/// The next step of the finalizer `i`, or all of them until it waits, or has something new to look at.
pub(crate) fn step(protocol: &Protocol, world: &mut World, i: usize) {
    single(protocol, world, i);
    let stops = |me: &Finalizer| {
        matches!(
            me.at,
            At::Loading { .. } | At::ReadAgain | At::Publish | At::Record { .. }
        )
    };
    while protocol.bounds.coarse_finalizers
        && world.finalizers[i].as_ref().is_some_and(|me| !stops(me))
    {
        single(protocol, world, i);
    }
}

fn single(protocol: &Protocol, world: &mut World, i: usize) {
    let Some(mut me) = world.finalizers[i].take() else {
        return;
    };
    let r = usize::from(me.run);
    me.at = match me.at {
        At::Acquire => match acquire(world, &me) {
            true if me.news.is_some() => At::Hear,
            true => At::Read,
            // The message comes again; the next sweep looks again.
            false => return end(world, me, true),
        },
        At::Hear => hear(world, &mut me),
        At::Note => note(world, &mut me),
        At::Read => {
            read(world, &mut me);
            let load_missing = pending(&me).is_some();
            // A replay gives a closed run something to do: from then on the sweep has to look at it again.
            if !world.runs[r].manifests.is_empty() && load_missing {
                mark(world, me.run);
            }
            if me.news.is_some() {
                At::Choose
            } else {
                At::Lost
            }
        }
        At::Lost => match lost(protocol, world, &me) {
            Some((ipe, number)) => At::Record { ipe, number },
            None => At::Choose,
        },
        At::Record { ipe, number } => {
            record(protocol, world, &me, ipe, number);
            At::Choose
        }
        At::Choose => match pending(&me) {
            Some((ipe, attempt)) => {
                let attempt = choose(protocol, world, me.run, ipe, attempt);
                world.transactions.push(Transaction {
                    run: me.run,
                    ipe,
                    attempt,
                    by: me.id,
                });
                At::Loading { ipe, attempt }
            }
            None if me.hears.is_some() => At::Note,
            None if me.loaded => At::ReadAgain,
            None => decide_to_close(protocol, world, &mut me),
        },
        At::Loading { ipe, attempt } => At::Loaded { ipe, attempt },
        At::Loaded { ipe, attempt } => {
            let mut overwritten = world.overwritten;
            let id = me.id;
            let place = &mut world.folder(me.run, ipe, attempt).load;
            let created = create(place, id, protocol.mutation, &mut overwritten);
            world.overwritten = overwritten;
            if created == Created::Taken {
                // A rival has recorded it: the call fails, the next one continues.
                me.failed = true;
            }
            me.loaded = true;
            // This one is not tried again by this call.
            let folder = usize::from(attempt) - 1;
            me.facts[usize::from(ipe)].resize(folder + 1, Default::default());
            me.facts[usize::from(ipe)][folder].load = Some(me.id);
            if me.failed {
                after_failure(&me)
            } else {
                At::Choose
            }
        }
        At::ReadAgain => {
            let late = me.late;
            read(world, &mut me);
            me.late = late;
            decide_to_close(protocol, world, &mut me)
        }
        At::Hint => {
            world.runs[r].hint = Some(ended(&me));
            At::Release
        }
        At::Head => {
            me.head = world.head;
            match me.head.reserved {
                Some(_) => At::Report,
                None => At::Compare,
            }
        }
        At::Compare => compare(protocol, world, &mut me),
        At::Confirm => match world.head.reserved {
            Some(_) if !protocol.has(Mutation::BelieveManifest) => {
                me.head = world.head;
                At::Report
            }
            _ => published_next(protocol),
        },
        At::Stage => {
            if let Some(made) = &me.made {
                world.staged.push(made.clone());
            }
            At::Reserve
        }
        At::Reserve => reserve(protocol, world, &mut me),
        At::Report => report(protocol, world, &mut me),
        At::Manifest => write_manifest(protocol, world, &mut me),
        At::MoveHead => move_head(protocol, world, &mut me),
        At::Unstage => {
            if let Some(link) = me.head.reserved {
                world.staged.retain(|staged| staged.link != link);
            }
            appended(protocol, &mut me)
        }
        At::Publish => {
            let state = state_name(protocol, &me);
            let run = &mut world.runs[r];
            let mut went_back = false;
            if let Some(link) = me.link {
                let newer = run
                    .published
                    .is_some_and(|(there, _)| there > link.revision);
                if !newer || protocol.has(Mutation::PublishUnguarded) {
                    went_back = newer;
                    run.published = Some((link.revision, state));
                }
            }
            world.went_back |= went_back;
            At::Forget
        }
        At::Forget => {
            world.runs[r].hint = None;
            At::WorkedOn
        }
        At::WorkedOn => {
            if is_worked_on(world, me.run) && !protocol.has(Mutation::CloseOverWorker) {
                mark(world, me.run);
                At::Release
            } else if protocol.has(Mutation::MarkerFirst) {
                At::Release
            } else {
                At::Unmark
            }
        }
        At::Unmark => {
            if world.runs[r].marker == me.marker || protocol.has(Mutation::SharedMarker) {
                world.runs[r].marker = None;
            }
            if protocol.has(Mutation::MarkerFirst) {
                At::Publish
            } else if me.failed {
                At::MarkAgain
            } else {
                At::Release
            }
        }
        At::MarkAgain => {
            mark(world, me.run);
            At::Release
        }
        At::Release => {
            if holds(world, &me) {
                world.runs[r].run_lease = None;
            }
            let failed = me.failed;
            return end(world, me, failed);
        }
    };
    world.finalizers[i] = Some(me);
}

/// The warehouse refuses: past the deadline the run is closed with what is there, and looked at again.
pub(crate) fn refuse(world: &mut World, i: usize) {
    world.faults.refusals -= 1;
    let Some(me) = &mut world.finalizers[i] else {
        return;
    };
    me.failed = true;
    me.at = match me.at {
        At::Choose => after_failure(me),
        _ => At::Release,
    };
}

/// The heartbeat ends the work: somebody else has the lease.
pub(crate) fn lose(world: &mut World, i: usize) {
    if let Some(me) = world.finalizers[i].take() {
        end(world, me, true);
    }
}

fn end(world: &mut World, me: Finalizer, failed: bool) {
    if failed && let Some(ipe) = me.news {
        world.notify(me.run, ipe);
    }
}

/// A load that failed ends the call, but past the deadline the run is closed all the same.
fn after_failure(me: &Finalizer) -> At {
    match (me.hears, me.late) {
        (Some(_), _) => At::Note,
        (None, true) => At::ReadAgain,
        (None, false) => At::Release,
    }
}

/// Of one IPE only: what it misses is done, and all of the run is looked at when the hint says that it was the last, when
/// there is no hint, or at the deadline.
fn hear(world: &World, me: &mut Finalizer) -> At {
    let run = &world.runs[usize::from(me.run)];
    let news = usize::from(me.news.unwrap_or_default());
    me.late = world.late;
    match run.hint {
        Some(hint) if !me.late => {
            me.hears = Some(hint);
            me.facts = vec![Attempts::new(); run.ipes.len()];
            me.facts[news].clone_from(&run.ipes[news]);
            At::Choose
        }
        // A message that comes twice, or late, and tells of nothing new.
        None if run.marker.is_none() && !load_is_missing(&run.ipes[news]) && is_told(run, news) => {
            At::Release
        }
        _ => At::Read,
    }
}

fn load_is_missing(attempts: &Attempts) -> bool {
    let decided = decide(attempts);
    decided.state == IpeState::Passed && decided.arrived == IpeState::Planned
}

/// Whether the last manifest names every file of the IPE.
fn is_told(run: &Run, ipe: usize) -> bool {
    let last = run.manifests.iter().max_by_key(|m| m.link.revision);
    last.is_some_and(|last| {
        run.ipes[ipe].iter().enumerate().all(|(i, folder)| {
            let named = last.ipes[ipe].get(i).copied().unwrap_or_default();
            folder.names().is_subset(&named.names())
        })
    })
}

/// Notes in the hint what was seen of the IPE, on top of what others have noted meanwhile.
fn note(world: &mut World, me: &mut Finalizer) -> At {
    let run = &mut world.runs[usize::from(me.run)];
    let bit = 1u8 << me.news.unwrap_or_default();
    // By the tag of what was read; whoever finds another one takes that, and writes on top of it.
    let known = run.hint.or(me.hears).unwrap_or_default();
    let next = known & !bit | ended(me) & bit;
    run.hint = run.hint.map(|_| next);
    let all = next == (1 << run.ipes.len()) - 1;
    me.hears = None;
    me.loaded = false;
    if me.failed || !all {
        At::Release
    } else {
        At::Read
    }
}

/// The IPEs to which nothing more will happen by itself, one bit each.
fn ended(me: &Finalizer) -> u8 {
    (0u8..)
        .zip(&me.facts)
        .filter(|(_, attempts)| decide(attempts).arrived != IpeState::Planned)
        .fold(0, |bits, (ipe, _)| bits | 1 << ipe)
}

/// Whether the run is closed, by what was read of it.
fn decide_to_close(protocol: &Protocol, world: &World, me: &mut Finalizer) -> At {
    me.marker = world.runs[usize::from(me.run)].marker;
    if closing_state(protocol, me) == RunState::Open {
        return At::Hint;
    }
    At::Head
}

fn acquire(world: &mut World, me: &Finalizer) -> bool {
    let lease = &mut world.runs[usize::from(me.run)].run_lease;
    if lease.is_some_and(|held| !held.expired) {
        return false;
    }
    *lease = Some(Lease {
        by: me.id,
        expired: false,
        attempt: 0,
    });
    true
}

fn holds(world: &World, me: &Finalizer) -> bool {
    world.runs[usize::from(me.run)]
        .run_lease
        .is_some_and(|lease| lease.by == me.id)
}

fn read(world: &World, me: &mut Finalizer) {
    me.facts.clone_from(&world.runs[usize::from(me.run)].ipes);
    me.late = world.late;
}

/// The first IPE that passed and has no load record, with its deciding attempt.
fn pending(me: &Finalizer) -> Option<(u8, u8)> {
    (0u8..).zip(&me.facts).find_map(|(ipe, attempts)| {
        let waits = load_is_missing(attempts);
        waits.then_some((ipe, decide(attempts).deciding?))
    })
}

/// Of all finalizers the first one chooses the attempt that is loaded; the others follow.
fn choose(protocol: &Protocol, world: &mut World, run: u8, ipe: u8, attempt: u8) -> u8 {
    if protocol.has(Mutation::LoadWithoutChoice) {
        return attempt;
    }
    *world.runs[usize::from(run)].copy[usize::from(ipe)].get_or_insert(attempt)
}

/// An IPE that nobody works on and whose message the queue has given up, with the place for the word about it.
fn lost(protocol: &Protocol, world: &World, me: &Finalizer) -> Option<(u8, u8)> {
    if protocol.has(Mutation::NoWordForTheLost) {
        return None;
    }
    let run = &world.runs[usize::from(me.run)];
    (0u8..).zip(&me.facts).find_map(|(ipe, attempts)| {
        let decided = decide(attempts);
        let dead = world.dead.iter().any(|letter| {
            letter.run == me.run && letter.ipe == ipe && world.replaying != Some(*letter)
        });
        let held = run.ipe_leases[usize::from(ipe)].is_some_and(|lease| !lease.expired);
        (decided.state == IpeState::Planned && dead && !held).then_some((ipe, decided.lost_attempt))
    })
}

fn record(protocol: &Protocol, world: &mut World, me: &Finalizer, ipe: u8, number: u8) {
    let failure = Failure {
        by: me.id,
        is_final: true,
    };
    let mut overwritten = world.overwritten;
    let place = &mut world.folder(me.run, ipe, number).failure;
    if create(place, failure, protocol.mutation, &mut overwritten) == Created::Ours {
        world.notify(me.run, ipe);
    }
    world.overwritten = overwritten;
}

fn mark(world: &mut World, run: u8) {
    world.runs[usize::from(run)]
        .marker
        .get_or_insert(Marker::sent());
}

/// Whether a worker is at an attempt that has no receipt yet.
fn is_worked_on(world: &World, run: u8) -> bool {
    let run = &world.runs[usize::from(run)];
    run.ipe_leases
        .iter()
        .zip(&run.ipes)
        .any(|(lease, attempts)| {
            lease.is_some_and(|lease| {
                let folder = usize::from(lease.attempt).checked_sub(1);
                let folder = folder.and_then(|index| attempts.get(index));
                !lease.expired && folder.is_none_or(|folder| folder.receipt.is_none())
            })
        })
}

fn closing_state(protocol: &Protocol, me: &Finalizer) -> RunState {
    if protocol.has(Mutation::CompleteWithoutLoad) {
        let states = me.facts.iter().map(|attempts| decide(attempts).state);
        return RunState::of(states, me.late);
    }
    run_state(&me.facts, me.late)
}

fn state_name(protocol: &Protocol, me: &Finalizer) -> &'static str {
    closing_state(protocol, me).as_str()
}

/// The manifest that would say what is known, behind the head as it was read.
fn manifest(protocol: &Protocol, world: &World, me: &Finalizer) -> Manifest {
    let last = world.runs[usize::from(me.run)]
        .manifests
        .iter()
        .map(|m| m.link.revision)
        .max();
    Manifest {
        link: Link {
            run: me.run,
            revision: last.map_or(1, |revision| revision + 1),
            by: world.fresh(),
        },
        previous: me.head.head,
        state: state_name(protocol, me),
        ipes: me.facts.clone(),
    }
}

/// The run's last manifest if it says the same, else a new one.
fn compare(protocol: &Protocol, world: &mut World, me: &mut Finalizer) -> At {
    let state = state_name(protocol, me);
    let last = world.runs[usize::from(me.run)]
        .manifests
        .iter()
        .max_by_key(|m| m.link.revision);
    if let Some(last) = last
        && last.state == state
        && last.ipes == me.facts
    {
        me.link = Some(last.link);
        return At::Confirm;
    }
    // Should this call die between manifest and publication, the next one has to look; and no finalizer that was frozen
    // before may take the marker away.
    let run = &mut world.runs[usize::from(me.run)];
    if !protocol.has(Mutation::CloseUnmarked) {
        let by = (!protocol.has(Mutation::SharedMarker)).then_some(me.id);
        let dispatched = match (me.marker, run.marker) {
            // By the tag of what was read.
            (Some(read), Some(there)) if read == there => Some(there.dispatched),
            (None, None) => Some(!run.manifests.is_empty()),
            _ => None,
        };
        if let Some(dispatched) = dispatched {
            run.marker = Some(Marker {
                dispatched,
                closing: by,
            });
            me.marker = run.marker;
        }
    }
    me.made = Some(manifest(protocol, world, me));
    if protocol.has(Mutation::NoReservation) {
        return At::Manifest;
    }
    At::Stage
}

fn reserve(_: &Protocol, world: &mut World, me: &mut Finalizer) -> At {
    let Some(link) = me.made.as_ref().map(|made| made.link) else {
        return At::Release;
    };
    // The condition on the head's tag.
    if world.head == me.head {
        if let Some(reserved) = chain::reserve(world.head, link) {
            world.head = reserved;
            me.head = reserved;
            return At::Report;
        }
        me.failed = true;
        return At::Release;
    }
    world.staged.retain(|staged| staged.link != link);
    me.made = None;
    At::Head
}

fn report(protocol: &Protocol, world: &mut World, me: &mut Finalizer) -> At {
    let Some(link) = me.head.reserved else {
        return At::Release;
    };
    if protocol.has(Mutation::HeadFirst) {
        if world.head == me.head
            && let Some(appended) = chain::append(world.head, link)
        {
            world.head = appended;
        }
        return At::Manifest;
    }
    let run = &mut world.runs[usize::from(link.run)];
    if world.staged.iter().all(|staged| staged.link != link) {
        // The rival that finished it has cleaned up already; the head shows it.
        if run
            .manifests
            .iter()
            .any(|m| m.link.revision == link.revision)
        {
            return At::MoveHead;
        }
        me.failed = true;
        return At::Release;
    }
    match run.reports.iter().find(|(n, _)| *n == link.revision) {
        Some((_, by)) if *by != link.by => {
            me.failed = true;
            At::Release
        }
        Some(_) => At::Manifest,
        None => {
            run.reports.push((link.revision, link.by));
            At::Manifest
        }
    }
}

/// Writes the reserved manifest; the bytes were read from where they are staged.
fn write_manifest(protocol: &Protocol, world: &mut World, me: &mut Finalizer) -> At {
    let manifest = match (protocol.has(Mutation::NoReservation), me.head.reserved) {
        (true, _) => me.made.clone(),
        // What was read before a rival removed it is still in hand.
        (false, Some(link)) => world
            .staged
            .iter()
            .find(|staged| staged.link == link)
            .cloned()
            .or_else(|| {
                let run = &world.runs[usize::from(link.run)];
                run.manifests.iter().find(|m| m.link == link).cloned()
            }),
        (false, None) => None,
    };
    let Some(manifest) = manifest else {
        me.failed = true;
        return At::Release;
    };
    let run = &mut world.runs[usize::from(manifest.link.run)];
    match run
        .manifests
        .iter()
        .find(|m| m.link.revision == manifest.link.revision)
    {
        Some(there) if *there != manifest => {
            me.failed = true;
            return At::Release;
        }
        Some(_) => {}
        None => {
            for (ipe, attempts) in manifest.ipes.iter().enumerate() {
                let decided = decide(attempts);
                if decided.arrived == IpeState::Passed {
                    run.counted[ipe] = run.counted[ipe].or(decided.deciding);
                }
            }
            run.manifests.push(manifest.clone());
        }
    }
    if protocol.has(Mutation::NoReservation) {
        if world.head == me.head {
            world.head.head = Some(manifest.link);
        }
        me.link = Some(manifest.link);
        return At::Publish;
    }
    At::MoveHead
}

fn move_head(_: &Protocol, world: &mut World, me: &mut Finalizer) -> At {
    // The condition on the head's tag; if it fails, a rival moved it.
    if world.head == me.head
        && let Some(link) = me.head.reserved
        && let Some(appended) = chain::append(world.head, link)
    {
        world.head = appended;
    }
    At::Unstage
}

/// After a reservation is finished: with one's own manifest to the publication, else back to the head.
fn appended(protocol: &Protocol, me: &mut Finalizer) -> At {
    match (&me.made, me.head.reserved) {
        (Some(made), Some(link)) if made.link == link => {
            me.link = Some(link);
            published_next(protocol)
        }
        _ => At::Head,
    }
}

fn published_next(protocol: &Protocol) -> At {
    if protocol.has(Mutation::MarkerFirst) {
        At::Unmark
    } else {
        At::Publish
    }
}
