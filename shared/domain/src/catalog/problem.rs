//! What is wrong in a catalog, where, and what to do about it.

/// Something wrong in the catalog.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord, serde::Serialize)]
pub struct Problem {
    /// File, relative to the catalog's folder.
    pub file: String,
    /// Line from 1; 1 when the whole file is meant.
    pub line: usize,
    /// What is wrong.
    pub reason: String,
    /// What to do.
    pub remedy: String,
}

impl std::fmt::Display for Problem {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        write!(
            f,
            "{}:{}: {}. {}",
            self.file, self.line, self.reason, self.remedy
        )
    }
}
