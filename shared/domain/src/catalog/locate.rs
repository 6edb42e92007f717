//! Finds the line of a key in a TOML file, so that a problem found later still names its place.

use serde::de::DeserializeOwned;
use toml::de::{DeTable, DeValue};

use super::problem::Problem;

/// One step of a path into a TOML document.
#[derive(Debug, Clone, Copy)]
pub(super) enum Step<'k> {
    /// A key of a table.
    Key(&'k str),
    /// An element of an array, from 0.
    Index(usize),
}

/// A TOML file and its name.
pub(super) struct Locator<'t> {
    path: &'t str,
    text: &'t str,
}

impl<'t> Locator<'t> {
    pub(super) fn new(path: &'t str, text: &'t str) -> Self {
        Self { path, text }
    }

    /// Reads the file, or adds the parser's problem with its line.
    pub(super) fn parse<T: DeserializeOwned>(&self, problems: &mut Vec<Problem>) -> Option<T> {
        toml::from_str(self.text)
            .map_err(|e| {
                problems.push(Problem {
                    file: self.path.to_owned(),
                    line: e.span().map_or(1, |span| self.line(span.start)),
                    reason: e.message().replace('\n', " "),
                    remedy: match self.kind() {
                        Some(kind) => format!(
                            "Correct the line; the fields are described in docs/catalog.{kind}.schema.json"
                        ),
                        None => "Write it with `soxauto catalog approve`".to_owned(),
                    },
                });
            })
            .ok()
    }

    /// A problem at the place that the steps lead to, or at the last step that exists.
    pub(super) fn problem(
        &self,
        steps: &[Step<'_>],
        reason: impl ToString,
        remedy: impl ToString,
    ) -> Problem {
        Problem {
            file: self.path.to_owned(),
            line: self.find(steps).map_or(1, |offset| self.line(offset)),
            reason: reason.to_string(),
            remedy: remedy.to_string(),
        }
    }

    /// Which of the two JSON Schemas describes the file; none describes what a command writes.
    fn kind(&self) -> Option<&'static str> {
        if self.path == "control.toml" {
            Some("control")
        } else {
            (!super::baseline::is_baseline(self.path)).then_some("ipe")
        }
    }

    fn line(&self, offset: usize) -> usize {
        1 + self
            .text
            .bytes()
            .take(offset)
            .filter(|b| *b == b'\n')
            .count()
    }

    fn find(&self, steps: &[Step<'_>]) -> Option<usize> {
        let document = DeTable::parse(self.text).ok()?;
        let mut offset = None;
        let mut table = Some(document.get_ref());
        let mut value: Option<&DeValue<'_>> = None;
        for step in steps {
            let next = match step {
                Step::Key(key) => table
                    .and_then(|t| t.iter().find(|(name, _)| name.get_ref() == key))
                    .map(|(name, v)| (name.span().start, v)),
                Step::Index(index) => value
                    .and_then(|v| v.get(*index))
                    .map(|v| (v.span().start, v)),
            };
            let Some((start, found)) = next else { break };
            offset = Some(start);
            value = Some(found.get_ref());
            table = found.get_ref().as_table();
        }
        offset
    }
}
