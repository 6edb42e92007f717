//! The whole of it: the folder, each run, and the chain of each control.

use std::collections::BTreeMap;

use soxauto_domain::{ControlId, Sha256};

use crate::{
    chain::{self, Known, Link},
    check::{Check, Group},
    folder::{Folder, Listing},
    key::PublicKey,
    ledger::{self, Ledger},
    outcome::{ChainReport, Verification},
    progress::Progress,
    run::{self, Published},
    tree,
};

/// What is asked for.
#[derive(Debug, Clone, Default)]
pub struct Request {
    /// The keys that may have signed: more than one after a key was replaced.
    pub keys: Vec<PublicKey>,
    /// The keys that may have signed reviews; without one no review is believed.
    pub review_keys: Vec<PublicKey>,
    /// Digests of manifests at which the chain may end.
    pub trusted: Vec<Sha256>,
    /// Digests of the newest manifests, if they are known from elsewhere: when one is given, each control needs its own.
    pub heads: Vec<Sha256>,
    /// Whether to compute the content digest again.
    pub deep: bool,
    /// Whether an approval by a reviewer must be there.
    pub require_review: bool,
}

/// Verifies everything in the folder. Needs a tokio runtime with its blocking threads.
pub async fn verify(
    folder: &dyn Folder,
    request: &Request,
    progress: &dyn Progress,
) -> Verification {
    let mut ledger = Ledger::new("");
    let listing = match folder.list().await {
        Ok(listing) => listing,
        Err(e) => {
            ledger.fail(Check::Folder, &e.path, &e.reason);
            Listing::default()
        }
    };
    progress.total(listing.entries.iter().map(|e| e.size).sum());
    for (path, why) in &listing.problems {
        ledger.fail(Check::Folder, path, why);
    }
    let tree = tree::split(folder.place(), &listing);
    for stray in &tree.strays {
        ledger.fail(Check::Folder, &stray.path, "it belongs to no run");
    }
    for run in tree.runs.iter().filter(|run| run.is_misnamed()) {
        ledger.fail(
            Check::Folder,
            &run.path,
            "it lies where a run does, but its place names none: <control>/<cutoff>/r<n>, each in its one spelling",
        );
    }
    ledger.check(
        Check::Folder,
        folder.place(),
        !tree.runs.is_empty(),
        || "there is no run: no folder <control>/<cutoff>/r<n>, no plan.json, no manifest",
    );

    let mut runs = Vec::new();
    let mut links: BTreeMap<ControlId, Vec<Link>> = BTreeMap::new();
    let mut published = Published::new();
    for place in &tree.runs {
        let verified = run::verify(folder, place, request, &mut published, progress).await;
        for link in verified.manifests.links {
            let control = link.link.run_id.control().clone();
            links.entry(control).or_default().push(link);
        }
        runs.push(verified.report);
    }
    let all: Vec<Link> = links.values().flatten().cloned().collect();
    let chains: Vec<ChainReport> = links
        .iter()
        .map(|(control, chain)| {
            let known = elsewhere(request, chain, &all, &links);
            chain_of(control.clone(), chain, &known)
        })
        .collect();
    let folder_holds = ledger.is_clean();
    Verification {
        schema: "soxauto.verification/1",
        place: ledger::clean(folder.place()),
        holds: folder_holds
            && !runs.is_empty()
            && !chains.is_empty()
            && runs.iter().all(|r| r.holds)
            && chains.iter().all(|c| c.holds),
        version: env!("CARGO_PKG_VERSION"),
        keys: request.keys.iter().map(PublicKey::sha256).collect(),
        checks: ledger.report(&[Group::Folder]),
        chains,
        runs,
    }
}

/// What is known from elsewhere of one control's chain. A digest that belongs to another control's is not asked of this
/// one; a trusted one that belongs to none is asked of all. A head that belongs to none is asked of the controls that have
/// none of their own, and of all if there is no such control: it is never passed over.
fn elsewhere(
    request: &Request,
    links: &[Link],
    all: &[Link],
    chains: &BTreeMap<ControlId, Vec<Link>>,
) -> Known {
    let of = |links: &[Link], digest: &Sha256| {
        links.iter().any(|l| {
            l.link.sha256 == *digest || l.previous.as_ref().is_some_and(|p| p.sha256 == *digest)
        })
    };
    let asked = |digest: &Sha256| of(links, digest) || !of(all, digest);
    let own = |links: &[Link]| request.heads.iter().any(|head| of(links, head));
    let everybody_has_one = chains.values().all(|links| own(links));
    let foreign = !own(links) || everybody_has_one;
    let heads = request.heads.iter().copied();
    let heads = heads.filter(|head| of(links, head) || (foreign && !of(all, head)));
    let heads: Vec<Sha256> = heads.collect();
    Known {
        trusted: request.trusted.iter().copied().filter(asked).collect(),
        heads: (!request.heads.is_empty()).then_some(heads),
    }
}

fn chain_of(control: ControlId, links: &[Link], known: &Known) -> ChainReport {
    let mut ledger = Ledger::new("");
    let head = chain::check(links, known, &mut ledger);
    ChainReport {
        control,
        holds: ledger.is_clean(),
        manifests: links.len(),
        head,
        checks: ledger.report(&[Group::Chain]),
    }
}
