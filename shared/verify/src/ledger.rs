//! What is found: per check how often it was looked at, what does not hold, and what could not be looked at.

use std::collections::BTreeMap;

use serde::Serialize;

use crate::check::{Check, Group};

/// Findings that are kept per check; more are counted only, so that a hostile folder cannot fill the memory.
const KEPT: usize = 50;
/// Characters of a reason that are kept.
const LONGEST: usize = 600;

/// Whether a character is not seen but changes what is: it moves the terminal, or turns the direction of the text.
pub(crate) fn is_unseen(c: char) -> bool {
    c.is_control()
        || matches!(c, '\u{200b}'..='\u{200f}' | '\u{2028}'..='\u{202e}' | '\u{2060}'..='\u{206f}' | '\u{feff}')
}

/// A text as it may be shown. A name or value may hold anything: nothing of it may move the reader's terminal.
pub(crate) fn clean(text: &str) -> String {
    text.replace(is_unseen, "\u{fffd}")
}

/// How a check ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Serialize)]
#[serde(rename_all = "snake_case")]
pub enum Status {
    /// It was looked at everywhere, and holds.
    Holds,
    /// It holds where it could be looked at; the rest is listed with the reason.
    Partly,
    /// It does not hold.
    Failed,
    /// It was not looked at.
    NotPerformed,
}

impl Status {
    /// The name in table and JSON.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Holds => "holds",
            Self::Partly => "partly",
            Self::Failed => "failed",
            Self::NotPerformed => "not_performed",
        }
    }
}

/// One thing that does not hold or could not be looked at.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct Finding {
    /// The file, relative to what is verified; the folder's name when it is about the whole.
    pub file: String,
    /// In words.
    pub reason: String,
}

/// One check's result.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct CheckReport {
    /// Which check.
    pub check: Check,
    /// How it ended.
    pub status: Status,
    /// How many things hold.
    pub held: u64,
    /// How many do not.
    pub failed: u64,
    /// The first of those.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub failures: Vec<Finding>,
    /// The first that could not be looked at.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    pub not_performed: Vec<Finding>,
}

#[derive(Debug, Default)]
struct Entry {
    held: u64,
    failed: u64,
    failures: Vec<Finding>,
    not_performed: Vec<Finding>,
}

/// Collects findings.
#[derive(Debug, Default)]
pub(crate) struct Ledger {
    /// Put before every file's name.
    pub(crate) place: String,
    entries: BTreeMap<Check, Entry>,
}

impl Ledger {
    /// A ledger of the files below `place`, which is empty or ends with a slash.
    pub(crate) fn new(place: &str) -> Self {
        Self {
            place: place.to_owned(),
            entries: BTreeMap::new(),
        }
    }

    fn finding(&self, file: &str, reason: &str) -> Finding {
        let cut = |text: &str, most: usize| -> String {
            let mut cut: String = clean(text).chars().take(most).collect();
            if text.chars().nth(most).is_some() {
                cut.push('…');
            }
            cut
        };
        Finding {
            file: cut(&format!("{}{file}", self.place), 300),
            reason: cut(reason, LONGEST),
        }
    }

    /// Something holds.
    pub(crate) fn holds(&mut self, check: Check) {
        self.entries.entry(check).or_default().held += 1;
    }

    /// Something does not hold.
    pub(crate) fn fail(&mut self, check: Check, file: &str, reason: impl AsRef<str>) {
        let finding = self.finding(file, reason.as_ref());
        let entry = self.entries.entry(check).or_default();
        entry.failed += 1;
        if entry.failures.len() < KEPT {
            entry.failures.push(finding);
        }
    }

    /// Something could not be looked at.
    pub(crate) fn skip(&mut self, check: Check, file: &str, why: impl AsRef<str>) {
        let finding = self.finding(file, why.as_ref());
        let entry = self.entries.entry(check).or_default();
        if entry.not_performed.len() < KEPT && !entry.not_performed.contains(&finding) {
            entry.not_performed.push(finding);
        }
    }

    /// Records whether something holds; returns it.
    pub(crate) fn check<R: AsRef<str>>(
        &mut self,
        check: Check,
        file: &str,
        holds: bool,
        reason: impl FnOnce() -> R,
    ) -> bool {
        if holds {
            self.holds(check);
        } else {
            self.fail(check, file, reason());
        }
        holds
    }

    /// Records whether two values are equal; returns it.
    pub(crate) fn equal<T: PartialEq + std::fmt::Debug>(
        &mut self,
        check: Check,
        file: &str,
        what: &str,
        found: &T,
        expected: &T,
    ) -> bool {
        self.check(check, file, found == expected, || {
            format!("{what} is {found:?}, expected {expected:?}")
        })
    }

    /// Whether nothing has failed so far.
    pub(crate) fn is_clean(&self) -> bool {
        self.entries.values().all(|entry| entry.failed == 0)
    }

    /// Every check of the groups, whether it was looked at or not.
    pub(crate) fn report(mut self, groups: &[Group]) -> Vec<CheckReport> {
        let wanted = Check::ALL
            .iter()
            .filter(|check| groups.contains(&check.group()));
        wanted
            .map(|check| {
                let entry = self.entries.remove(check).unwrap_or_default();
                let status = match (entry.failed, entry.held, entry.not_performed.is_empty()) {
                    (1.., ..) => Status::Failed,
                    (0, 1.., true) => Status::Holds,
                    (0, 1.., false) => Status::Partly,
                    (0, 0, _) => Status::NotPerformed,
                };
                let mut not_performed = entry.not_performed;
                if status == Status::NotPerformed && not_performed.is_empty() {
                    not_performed.push(Finding {
                        file: self.place.clone(),
                        reason: "there was nothing to look at".to_owned(),
                    });
                }
                CheckReport {
                    check: *check,
                    status,
                    held: entry.held,
                    failed: entry.failed,
                    failures: entry.failures,
                    not_performed,
                }
            })
            .collect()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_looked_at_never_holds() {
        let mut ledger = Ledger::new("r1/");
        ledger.holds(Check::Plan);
        ledger.holds(Check::Counts);
        ledger.skip(Check::Counts, "x", "no receipt");
        ledger.holds(Check::State);
        ledger.fail(Check::State, "manifest\u{1b}[2J", "is\nanother");
        assert!(!ledger.is_clean());
        let report = ledger.report(&[Group::Records]);
        let of = |check: Check| report.iter().find(|r| r.check == check).unwrap();
        assert_eq!(of(Check::Plan).status, Status::Holds);
        assert_eq!(of(Check::Counts).status, Status::Partly);
        assert_eq!(of(Check::State).status, Status::Failed);
        assert_eq!(of(Check::Load).status, Status::NotPerformed);
        assert_eq!(of(Check::State).failures[0].file, "r1/manifest\u{fffd}[2J");
        // Every check of the group is there, whether somebody thought of it or not.
        assert_eq!(
            report.len(),
            Check::ALL
                .iter()
                .filter(|c| c.group() == Group::Records)
                .count()
        );
    }

    #[test]
    fn a_flood_of_findings_is_counted_not_kept() {
        let mut ledger = Ledger::default();
        for n in 0..10_000 {
            ledger.fail(Check::FilesExtra, &n.to_string(), "x".repeat(5_000));
        }
        let report = ledger.report(&[Group::Files]);
        let extra = report
            .iter()
            .find(|r| r.check == Check::FilesExtra)
            .unwrap();
        assert_eq!((extra.failed, extra.failures.len()), (10_000, KEPT));
        assert!(extra.failures[0].reason.chars().count() <= LONGEST + 1);
    }
}
