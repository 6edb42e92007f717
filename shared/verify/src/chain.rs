//! The chain of a control's manifests, from what is here: nothing cut out, no fork, the newest really the newest.

use std::collections::{BTreeMap, BTreeSet};

use jiff::Timestamp;
use soxauto_domain::{RunId, Sha256, manifest::ManifestLink};

use crate::{check::Check, derived::CLOCKS_DIFFER, ledger::Ledger};

/// A manifest that is here.
#[derive(Debug, Clone)]
pub(crate) struct Link {
    /// Its file, relative to what is verified.
    pub(crate) file: String,
    /// Which it is.
    pub(crate) link: ManifestLink,
    /// The one before it.
    pub(crate) previous: Option<ManifestLink>,
    /// When it was made.
    pub(crate) finished_at: Timestamp,
}

/// What is known of the chain from elsewhere.
#[derive(Debug, Clone, Default)]
pub(crate) struct Known {
    /// Digests at which the chain may end.
    pub(crate) trusted: Vec<Sha256>,
    /// The newest manifest, if heads were given: then there must be one, and all must be the same.
    pub(crate) heads: Option<Vec<Sha256>>,
}

/// Checks the chain of one control; returns the newest manifest, if there is one that can be called so.
pub(crate) fn check(links: &[Link], known: &Known, ledger: &mut Ledger) -> Option<ManifestLink> {
    let by_digest: BTreeMap<Sha256, &Link> = links.iter().map(|l| (l.link.sha256, l)).collect();
    let mut followers: BTreeMap<Option<Sha256>, Vec<&Link>> = BTreeMap::new();
    for link in links {
        followers
            .entry(link.previous.as_ref().map(|p| p.sha256))
            .or_default()
            .push(link);
        predecessor(link, &by_digest, known, ledger);
        superseded(link, links, &by_digest, known, ledger);
    }
    for (previous, after) in &followers {
        let files: Vec<&str> = after.iter().map(|l| l.file.as_str()).collect();
        ledger.check(Check::ChainFork, files[0], files.len() == 1, || {
            let where_ = previous.map_or_else(
                || "the first of the chain".to_owned(),
                |digest| format!("the one after {digest}"),
            );
            format!("{} all claim to be {where_}", files.join(", "))
        });
    }
    for digest in &known.trusted {
        let met = by_digest.contains_key(digest) || followers.contains_key(&Some(*digest));
        ledger.check(Check::Chain, "", met, || {
            format!("no manifest here is, or follows, the trusted one {digest}")
        });
    }
    let heads: Vec<&Link> = links
        .iter()
        .filter(|l| !followers.contains_key(&Some(l.link.sha256)))
        .collect();
    if let [_, _, ..] = heads.as_slice() {
        let files: Vec<&str> = heads.iter().map(|l| l.file.as_str()).collect();
        // Either a fork, which is told above, or a link between them is not here, which is told too.
        if ledger.is_clean() {
            ledger.fail(
                Check::ChainFork,
                files[0],
                format!("{} are all the newest", files.join(", ")),
            );
        }
    }
    head(&heads, known, ledger);
    match heads.as_slice() {
        [one] => Some(one.link.clone()),
        _ => None,
    }
}

fn predecessor(
    link: &Link,
    by_digest: &BTreeMap<Sha256, &Link>,
    known: &Known,
    ledger: &mut Ledger,
) {
    if known.trusted.contains(&link.link.sha256) {
        // What is before a trusted manifest is not asked for.
        ledger.holds(Check::Chain);
        return;
    }
    let Some(previous) = &link.previous else {
        ledger.holds(Check::Chain);
        return;
    };
    match by_digest.get(&previous.sha256) {
        Some(found) if found.link == *previous => {
            let (before, after) = (found.finished_at, link.finished_at);
            ledger.check(Check::Chain, &link.file, before <= after + CLOCKS_DIFFER, || {
                format!("it is of {after}, the manifest that it follows of {before}")
            });
        }
        Some(found) => ledger.fail(
            Check::Chain,
            &link.file,
            format!(
                "it follows {} revision {} by name, but {} revision {} by digest",
                previous.run_id, previous.revision, found.link.run_id, found.link.revision
            ),
        ),
        None if known.trusted.contains(&previous.sha256) => ledger.holds(Check::Chain),
        None => ledger.fail(
            Check::Chain,
            &link.file,
            format!(
                "it follows the manifest of {} revision {} with digest {}, which is not here: verify it together with that run, or give --trusted-manifest {}",
                previous.run_id, previous.revision, previous.sha256, previous.sha256
            ),
        ),
    }
}

/// Runs of a cutoff count from r1: the one before is here, or lies before a trusted manifest.
fn superseded(
    link: &Link,
    links: &[Link],
    by_digest: &BTreeMap<Sha256, &Link>,
    known: &Known,
    ledger: &mut Ledger,
) {
    let run = &link.link.run_id;
    let Some(number) = run.number().checked_sub(1).filter(|n| *n > 0) else {
        return;
    };
    let before = RunId::new(run.control().clone(), run.cutoff(), number);
    let here = links.iter().any(|l| l.link.run_id == before);
    // Where the way back ends, there the chain's own check speaks.
    let mut at = Some(link);
    let mut ends_at_the_first = false;
    for _ in 0..=links.len() {
        let Some(one) = at.filter(|l| !known.trusted.contains(&l.link.sha256)) else {
            break;
        };
        ends_at_the_first = one.previous.is_none();
        let previous = one.previous.as_ref();
        at = previous.and_then(|p| by_digest.get(&p.sha256).copied());
    }
    ledger.check(Check::Chain, &link.file, here || !ends_at_the_first, || {
        format!("it is about {run}, and no manifest of {before} is here")
    });
}

fn head(heads: &[&Link], known: &Known, ledger: &mut Ledger) {
    let newest: BTreeSet<Sha256> = heads.iter().map(|l| l.link.sha256).collect();
    let file = heads.first().map_or("", |l| l.file.as_str());
    match known.heads.as_deref() {
        Some([]) => ledger.fail(
            Check::ChainHead,
            file,
            "heads were given with --head, but none for this control: give one for each",
        ),
        Some(heads) => {
            for head in heads {
                ledger.check(Check::ChainHead, file, newest.len() == 1 && newest.contains(head), || {
                    let found: Vec<String> = newest.iter().map(ToString::to_string).collect();
                    format!("the newest manifest should be {head}, here it is {}", found.join(" and "))
                });
            }
        }
        None => ledger.skip(
            Check::ChainHead,
            file,
            "whether a newer manifest exists cannot be known from here: give its digest with --head",
        ),
    }
}

#[cfg(test)]
mod tests {
    use jiff::ToSpan as _;

    use super::*;
    use crate::{check::Group, ledger::Status};

    fn digest(n: u32) -> Sha256 {
        Sha256::of(n.to_string())
    }

    fn link(n: u32, previous: Option<u32>) -> Link {
        let name = |n: u32| ManifestLink {
            run_id: format!("C-PG-1/2024-05-01/r{n}").parse().unwrap(),
            revision: 1,
            sha256: digest(n),
        };
        Link {
            file: format!("r{n}/manifest-1.dsse.json"),
            link: name(n),
            previous: previous.map(name),
            finished_at: Timestamp::from_second(i64::from(n) * 86_400).unwrap(),
        }
    }

    fn failed(links: &[Link], trusted: &[Sha256], head: Option<Sha256>) -> Vec<&'static str> {
        let mut ledger = Ledger::default();
        let trusted = trusted.to_vec();
        let heads = head.map(|head| vec![head]);
        check(links, &Known { trusted, heads }, &mut ledger);
        let report = ledger.report(&[Group::Chain]);
        let failed = report.iter().filter(|r| r.status == Status::Failed);
        failed.map(|r| r.check.as_str()).collect()
    }

    #[test]
    fn a_chain_holds_only_as_a_whole() {
        let all = [link(1, None), link(2, Some(1)), link(3, Some(2))];
        assert!(failed(&all, &[], Some(digest(3))).is_empty());
        // The order in which they are found says nothing.
        let mixed = [link(3, Some(2)), link(1, None), link(2, Some(1))];
        assert!(failed(&mixed, &[], None).is_empty());
        assert_eq!(failed(&all, &[], Some(digest(2))), ["chain_head"]);
        assert_eq!(failed(&all[..2], &[], Some(digest(3))), ["chain_head"]);
        let cut = [link(1, None), link(3, Some(2))];
        assert_eq!(failed(&cut, &[], None), ["chain"]);
        assert!(failed(&all[2..], &[digest(2)], None).is_empty());
        assert_eq!(failed(&all[2..], &[digest(9)], None), ["chain"]);
        assert_eq!(failed(&all, &[digest(9)], None), ["chain"]);
        let fork = [link(1, None), link(2, Some(1)), link(3, Some(1))];
        assert_eq!(failed(&fork, &[], None), ["chain_fork"]);
        let two_firsts = [link(1, None), link(2, None)];
        assert_eq!(failed(&two_firsts, &[], None), ["chain_fork"]);
        let mut renamed = all.to_vec();
        renamed[2].previous = Some(ManifestLink {
            revision: 2,
            ..renamed[1].link.clone()
        });
        assert_eq!(failed(&renamed, &[], None), ["chain"]);
        let mut turned = all.to_vec();
        turned[1].finished_at = turned[2].finished_at + 1.hours();
        assert_eq!(failed(&turned, &[], None), ["chain"]);
        // A run of the month that nobody shows.
        let skipped = [link(1, None), link(3, Some(1))];
        assert_eq!(failed(&skipped, &[], None), ["chain"]);
        assert!(failed(&skipped[1..], &[digest(1)], None).is_empty());
        assert!(failed(&[], &[], Some(digest(1))).contains(&"chain_head"));
    }
}
