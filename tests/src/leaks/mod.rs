//! Finds secrets where they must not be: in logs, evidence, messages, the warehouse, files and process listings.
//!
//! A secret is looked for as it is and as it looks once somebody has encoded it, whole and in parts; files are looked
//! into, not only at. Whatever cannot be looked into is a finding too: what was not searched is not clean.
//!
//! ```no_run
//! use soxauto_e2e::leaks::{Places, Scanner, Secret};
//! let scanner = Scanner::new(&[Secret::new("the password", "c0rrect-Horse")]);
//! let mut places = Places::default();
//! places.folder("logs".as_ref());
//! assert_eq!(places.findings(&scanner), []);
//! ```

mod forms;
mod open;
mod processes;

use std::{
    fmt, fs,
    path::{Path, PathBuf},
};

use aho_corasick::AhoCorasick;

pub use forms::Form;
pub use processes::{Processes, Sighting};

/// What must not be found, and what it is called in findings.
#[derive(Clone, PartialEq, Eq)]
pub struct Secret {
    /// Its name in findings.
    pub name: String,
    text: String,
}

impl Secret {
    /// A secret of at least eight characters; a shorter one would be found by chance.
    ///
    /// # Panics
    /// For a shorter one.
    #[must_use]
    pub fn new(name: &str, text: &str) -> Self {
        assert!(text.chars().count() >= 8, "{name} is too short to look for");
        Self {
            name: name.to_owned(),
            text: text.to_owned(),
        }
    }
}

/// What every canary has in it, so that one that was left anywhere is found afterwards by who does not know the rest.
pub const CANARY: &str = "Zx9CanaryOfATest";

/// A secret that nobody else has: letters and digits around characters that every encoder writes otherwise.
#[must_use]
pub fn canary() -> String {
    format!(
        "{}{CANARY}{}{}{}",
        random(),
        random(),
        "\"\\'%+/=&<>{}; \u{e9}",
        random()
    )
}

/// The same of characters that go into a header.
#[must_use]
pub fn canary_token() -> String {
    format!("{}{CANARY}{}/+{}=", random(), random(), random())
}

fn random() -> String {
    use rand::{RngExt as _, distr::Alphanumeric};
    rand::rng()
        .sample_iter(Alphanumeric)
        .take(16)
        .map(char::from)
        .collect()
}

/// The passwords that the sources name: of the laptop's SQL Server stand-in, and of tests.
#[must_use]
pub fn known() -> Vec<Secret> {
    [
        ("the laptop's password", "Sample-Data-0nly"),
        ("a canary of a test", CANARY),
        (
            "the second password of a rotation",
            "s3cond-Rotation-Passw0rd",
        ),
        (
            "the third password of a rotation",
            "th1rd-Rotation-Passw0rd",
        ),
        ("the old password of the worker's tests", "old-Passw0rd"),
        ("the new password of the worker's tests", "new-Passw0rd"),
        ("the other login's of the worker's tests", "other-Passw0rd"),
        ("the wrong password of a deployment", "wrong-Passw0rd"),
        ("the password of the drivers' tests", "p;w}d\"=x"),
        ("a private key", "PRIVATE KEY-----"),
    ]
    .into_iter()
    .map(|(name, text)| Secret::new(name, text))
    .collect()
}

impl fmt::Debug for Secret {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Secret({})", self.name)
    }
}

/// Where a secret was found, or what could not be looked into.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Finding {
    /// File, object, process.
    pub place: String,
    /// What is there.
    pub what: What,
}

/// What is somewhere.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub enum What {
    /// This secret, in this form.
    Secret(String, Form),
    /// Content that could not be looked into, and why.
    Opaque(String),
}

/// Looks for secrets in bytes.
pub struct Scanner {
    automaton: AhoCorasick,
    /// The secret and the form of each pattern.
    patterns: Vec<(String, Form)>,
}

impl Scanner {
    /// For these secrets in every [`Form`].
    ///
    /// # Panics
    /// When the patterns are too many.
    #[must_use]
    pub fn new(secrets: &[Secret]) -> Self {
        Self::of_forms(secrets, |_| true)
    }

    /// For these secrets as they stand in texts: for values of which a part is a word that anybody may use.
    #[must_use]
    pub fn verbatim(secrets: &[Secret]) -> Self {
        Self::of_forms(secrets, |form| matches!(form, Form::Plain | Form::Json))
    }

    fn of_forms(secrets: &[Secret], wanted: impl Fn(Form) -> bool) -> Self {
        let mut needles: Vec<Vec<u8>> = Vec::new();
        let mut patterns = Vec::new();
        for secret in secrets {
            for (form, bytes) in forms::of(&secret.text) {
                if wanted(form) && !needles.contains(&bytes) {
                    needles.push(bytes);
                    patterns.push((secret.name.clone(), form));
                }
            }
        }
        Self {
            automaton: AhoCorasick::new(&needles).unwrap(),
            patterns,
        }
    }

    /// What is in these bytes as they stand.
    #[must_use]
    pub fn scan(&self, bytes: &[u8]) -> Vec<What> {
        let found = self.automaton.find_overlapping_iter(bytes);
        let mut what: Vec<What> = found
            .map(|at| {
                let (secret, form) = self.patterns[at.pattern().as_usize()].clone();
                What::Secret(secret, form)
            })
            .collect();
        what.sort();
        what.dedup();
        what
    }

    /// What is in these bytes and in whatever they hold packed.
    #[must_use]
    pub fn look_into(&self, bytes: &[u8]) -> Vec<What> {
        let mut found = self.scan(bytes);
        match open::unpack(bytes) {
            Ok(layers) => {
                for layer in layers {
                    found.extend(self.scan(&layer));
                }
            }
            Err(why) => found.push(What::Opaque(why)),
        }
        found.sort();
        found.dedup();
        found
    }
}

/// Things to look into, by name.
#[derive(Default)]
pub struct Places {
    things: Vec<(String, Thing)>,
}

enum Thing {
    Bytes(Vec<u8>),
    File(PathBuf),
}

impl Places {
    /// Bytes that were seen somewhere.
    pub fn add(&mut self, place: impl Into<String>, bytes: impl Into<Vec<u8>>) {
        self.things.push((place.into(), Thing::Bytes(bytes.into())));
    }

    /// Every file below a folder, and the names of all; a folder that does not exist has none. Files are read when they
    /// are looked into.
    pub fn folder(&mut self, folder: &Path) {
        let mut open = vec![folder.to_owned()];
        while let Some(next) = open.pop() {
            for entry in fs::read_dir(next).into_iter().flatten().flatten() {
                let (path, kind) = (entry.path(), entry.file_type());
                self.add(
                    format!("the name of {}", path.display()),
                    path.as_os_str().as_encoded_bytes(),
                );
                match kind {
                    Ok(kind) if kind.is_dir() => open.push(path),
                    Ok(kind) if kind.is_file() => self.file(&path),
                    _ => {}
                }
            }
        }
    }

    /// What others have gathered.
    pub fn append(&mut self, mut others: Self) {
        self.things.append(&mut others.things);
    }

    /// One file.
    pub fn file(&mut self, path: &Path) {
        let thing = Thing::File(path.to_owned());
        self.things.push((path.display().to_string(), thing));
    }

    /// How many there are whose name has `part` in it.
    #[must_use]
    pub fn count(&self, part: &str) -> usize {
        let named = self.things.iter().filter(|(place, _)| place.contains(part));
        named.count()
    }

    /// Takes those with `part` in their names out; says how many.
    pub fn without(&mut self, part: &str) -> usize {
        let before = self.things.len();
        self.things.retain(|(place, _)| !place.contains(part));
        before - self.things.len()
    }

    /// Everything that the scanner finds in them.
    #[must_use]
    pub fn findings(&self, scanner: &Scanner) -> Vec<Finding> {
        let mut findings = Vec::new();
        for (place, thing) in &self.things {
            let what = match thing {
                Thing::Bytes(bytes) => scanner.look_into(bytes),
                Thing::File(path) => match fs::read(path) {
                    Ok(bytes) if open::is_duckdb(&bytes) => match open::duckdb(path) {
                        Ok(text) => scanner.scan(&text),
                        Err(why) => vec![What::Opaque(why)],
                    },
                    Ok(bytes) => scanner.look_into(&bytes),
                    // What is gone leaves nothing behind.
                    Err(e) if e.kind() == std::io::ErrorKind::NotFound => Vec::new(),
                    Err(e) => vec![What::Opaque(e.to_string())],
                },
            };
            findings.extend(what.into_iter().map(|what| Finding {
                place: place.clone(),
                what,
            }));
        }
        findings
    }
}

#[cfg(test)]
mod tests;
