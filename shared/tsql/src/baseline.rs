//! How the texts of an IPE stand to its approved baseline: compared token by token, so that layout and comments change
//! nothing and everything else does.

use soxauto_domain::{
    BaselineStatus, Sha256,
    catalog::{BaselineFile, Ipe, Problem, Texts},
};
use sqlparser::{
    dialect::MsSqlDialect,
    tokenizer::{Location, Token, Tokenizer},
};

/// A part of what is approved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Part {
    /// What the IPE's TOML file declares.
    Declarations,
    /// The extraction query.
    Extraction,
    /// The completeness query.
    Completeness,
    /// The witness query.
    Witness,
    /// The query for the bounds of the key ranges.
    Partition,
}

impl Part {
    /// The name in digest, JSON and on the terminal.
    #[must_use]
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Declarations => "declarations",
            Self::Extraction => "extraction",
            Self::Completeness => "completeness",
            Self::Witness => "witness",
            Self::Partition => "partition",
        }
    }
}

/// A token of a query, or one declaration.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Piece {
    /// Exactly as it is written.
    pub text: String,
    /// Line of the file, from 1; 0 for a declaration, which is put in order first.
    pub line: u64,
    /// Whether white space or a comment stands before it.
    pub spaced: bool,
}

/// The pieces of every part, in the order of the digest. An IPE whose witness is no query lacks that part, one without key
/// ranges the last.
#[must_use]
pub fn pieces(texts: &Texts) -> Vec<(Part, Vec<Piece>)> {
    let declared = texts
        .declared()
        .into_iter()
        .map(|text| Piece {
            text,
            line: 0,
            spaced: true,
        })
        .collect();
    let mut parts = vec![
        (Part::Declarations, declared),
        (Part::Extraction, tokens(&texts.extraction)),
        (Part::Completeness, tokens(&texts.completeness)),
    ];
    parts.extend(
        texts
            .witness
            .as_deref()
            .map(|sql| (Part::Witness, tokens(sql))),
    );
    parts.extend(
        texts
            .partition
            .as_deref()
            .map(|sql| (Part::Partition, tokens(sql))),
    );
    parts
}

/// SHA-256 over each part: its name and a line feed, then for each piece its length in bytes, a colon, the piece and a
/// line feed.
#[must_use]
pub fn digest(texts: &Texts) -> Sha256 {
    let mut bytes = String::new();
    for (part, pieces) in pieces(texts) {
        bytes.push_str(part.as_str());
        bytes.push('\n');
        for piece in pieces {
            bytes.push_str(&format!("{}:{}\n", piece.text.len(), piece.text));
        }
    }
    Sha256::of(bytes)
}

/// How the texts of today stand to the baseline. A baseline whose texts are not those of its digest approves nothing.
#[must_use]
pub fn status(ipe: &Ipe) -> BaselineStatus {
    let Some(baseline) = ipe.baseline.as_ref().filter(|b| is_whole(b)) else {
        return BaselineStatus::None;
    };
    let sha256 = digest(&ipe.texts());
    let (approved_by, approved_at, ticket) = (
        baseline.approved_by.clone(),
        baseline.approved_at,
        baseline.ticket.clone(),
    );
    if sha256 == baseline.sha256 {
        BaselineStatus::Unchanged {
            sha256,
            approved_by,
            approved_at,
            ticket,
        }
    } else {
        BaselineStatus::Changed {
            sha256,
            baseline_sha256: baseline.sha256,
            approved_by,
            approved_at,
            ticket,
        }
    }
}

fn is_whole(baseline: &BaselineFile) -> bool {
    digest(&baseline.texts) == baseline.sha256
}

/// Reports a baseline that was edited instead of approved.
pub(crate) fn check(ipe: &Ipe) -> Vec<Problem> {
    ipe.baseline
        .iter()
        .filter(|baseline| !is_whole(baseline))
        .map(|_| Problem {
            file: BaselineFile::path(&ipe.id),
            line: 1,
            reason: "the texts are not those of the digest".to_owned(),
            remedy:
                "A baseline is not edited: restore it, or write it with `soxauto catalog approve`"
                    .to_owned(),
        })
        .collect()
}

/// The tokens as they are written. A text that has none, such as one with an open quote, is a single token.
fn tokens(sql: &str) -> Vec<Piece> {
    let Ok(tokens) = Tokenizer::new(&MsSqlDialect {}, sql).tokenize_with_location() else {
        return vec![Piece {
            text: sql.to_owned(),
            line: 1,
            spaced: false,
        }];
    };
    let mut starts = Offsets::new(sql);
    let starts: Vec<usize> = tokens
        .iter()
        .map(|t| starts.of(t.span.start))
        .chain([sql.len()])
        .collect();
    let mut pieces = Vec::new();
    let mut spaced = false;
    for (at, token) in tokens.iter().enumerate() {
        if matches!(token.token, Token::Whitespace(_)) {
            spaced = true;
            continue;
        }
        pieces.push(Piece {
            text: sql
                .get(starts[at]..starts[at + 1])
                .unwrap_or(sql)
                .to_owned(),
            line: token.span.start.line,
            spaced,
        });
        spaced = false;
    }
    pieces
}

/// Turns lines and columns, which must not go back, into offsets.
struct Offsets<'a> {
    chars: std::str::CharIndices<'a>,
    end: usize,
    line: u64,
    column: u64,
}

impl<'a> Offsets<'a> {
    fn new(sql: &'a str) -> Self {
        Self {
            chars: sql.char_indices(),
            end: sql.len(),
            line: 1,
            column: 1,
        }
    }

    fn of(&mut self, place: Location) -> usize {
        while (self.line, self.column) < (place.line, place.column) {
            match self.chars.next() {
                Some((_, '\n')) => (self.line, self.column) = (self.line + 1, 1),
                Some(_) => self.column += 1,
                None => break,
            }
        }
        // The next character begins at the place.
        self.chars.clone().next().map_or(self.end, |(at, _)| at)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn texts() -> Texts {
        static TEXTS: std::sync::LazyLock<Texts> =
            std::sync::LazyLock::new(|| soxauto_catalog::load().unwrap().ipes[3].texts());
        TEXTS.clone()
    }

    fn changed(change: impl FnOnce(&mut Texts)) -> bool {
        let before = texts();
        let mut after = before.clone();
        change(&mut after);
        assert_ne!(after, before, "nothing was changed");
        digest(&after) != digest(&before)
    }

    fn words(sql: &str) -> Vec<String> {
        tokens(sql).into_iter().map(|t| t.text).collect()
    }

    #[test]
    fn tokens_are_the_text_without_its_space_and_comments() {
        assert_eq!(
            words(
                "SELECT N'a''b' , [Entry No_]-- é\r\n\tFROM/* x /* y */ */ dbo.[t é]\n WHERE \"q\" <=1.50\n"
            ),
            [
                "SELECT",
                "N'a''b'",
                ",",
                "[Entry No_]",
                "FROM",
                "dbo",
                ".",
                "[t é]",
                "WHERE",
                "\"q\"",
                "<=",
                "1.50"
            ]
        );
        // Every character of a real query that is no space or comment is in a token.
        for ipe in soxauto_catalog::load().unwrap().ipes {
            let kept: String = words(&ipe.sql).concat();
            let without: String = ipe
                .sql
                .lines()
                .map(|line| line.split("--").next().unwrap_or_default())
                .collect();
            let bare = |text: &str| -> String { text.split_whitespace().collect() };
            assert_eq!(bare(&kept), bare(&without), "{}", ipe.id);
        }
        assert_eq!(words("SELECT 'open"), ["SELECT 'open"]);
    }

    #[test]
    fn layout_comments_and_prose_change_nothing() {
        assert!(!changed(
            |t| t.extraction = t.extraction.replace('\n', "\r\n  ")
        ));
        assert!(!changed(|t| t
            .extraction
            .insert_str(0, "-- approved\n/* twice */\n")));
        assert!(!changed(|t| t.completeness.push_str("\n\n-- the end")));
        assert!(!changed(|t| t
            .declarations
            .insert_str(0, "# a comment\n\n")));
        assert!(!changed(|t| {
            t.declarations = t.declarations.replace("title = \"", "title = \"The ");
        }));
    }

    #[test]
    fn every_other_change_is_one() {
        // Each token of each query taken out, one at a time.
        for which in 0..3 {
            let sql = |t: &mut Texts| match which {
                0 => std::mem::take(&mut t.extraction),
                1 => std::mem::take(&mut t.completeness),
                _ => t.witness.take().unwrap_or_default(),
            };
            let all = words(&sql(&mut texts()));
            for gone in 0..all.len() {
                let mut rest = all.clone();
                rest.remove(gone);
                assert!(
                    changed(|t| match which {
                        0 => t.extraction = rest.join(" "),
                        1 => t.completeness = rest.join(" "),
                        _ => t.witness = Some(rest.join(" ")),
                    }),
                    "{which} {gone} {}",
                    all[gone]
                );
            }
        }
        // Each declaration too.
        for (from, to) in [
            ("\"13003\", \"13004\"", "\"13004\", \"13003\""),
            ("nullable = false", "nullable = true"),
            ("allow_empty = false", "allow_empty = true"),
            ("key = [", "key = [\"x\", "),
            ("sample = \"mask\"\n", ""),
            ("before = \"cutoff\"", "before = \"closing_date\""),
        ] {
            assert!(
                changed(|t| t.declarations = t.declarations.replacen(from, to, 1)),
                "{from}"
            );
        }
        // The boundaries of tokens count, and so does the case of letters and what is quoted.
        assert_ne!(words("a b"), words("ab"));
        assert!(changed(
            |t| t.extraction = t.extraction.replacen("SELECT", "select", 1)
        ));
        assert!(changed(|t| t.extraction.push_str(" OPTION (RECOMPILE)")));
        assert!(changed(|t| t.witness = None));
        // A token cannot move from one query to the next.
        assert!(changed(|t| {
            let last = t.extraction.trim_end().rfind(char::is_whitespace).unwrap();
            let tail = t.extraction.split_off(last);
            t.completeness.insert_str(0, &tail);
        }));
    }

    #[test]
    fn only_a_baseline_of_these_texts_approves() {
        let mut ipe = soxauto_catalog::load().unwrap().ipes[3].clone();
        ipe.baseline = None;
        assert_eq!(status(&ipe), BaselineStatus::None);
        let baseline = BaselineFile {
            schema: Default::default(),
            ipe: ipe.id.clone(),
            sha256: digest(&ipe.texts()),
            approved_by: "Ada".into(),
            approved_at: "2026-11-20T12:00:00Z".parse().unwrap(),
            ticket: "SOX-1".into(),
            texts: ipe.texts(),
        };
        ipe.baseline = Some(baseline.clone());
        assert!(status(&ipe).is_approved() && check(&ipe).is_empty());
        ipe.sql.push_str(" -- a comment");
        assert!(status(&ipe).is_approved());
        ipe.sql = ipe.sql.replacen("< @cutoff", "<= @cutoff", 1);
        let BaselineStatus::Changed {
            sha256,
            baseline_sha256,
            ..
        } = status(&ipe)
        else {
            panic!("{:?}", status(&ipe))
        };
        assert_ne!(sha256, baseline_sha256);
        // Whoever edits the baseline along with the query has to forge the digest too.
        let mut forged = baseline;
        forged.texts = ipe.texts();
        ipe.baseline = Some(forged);
        assert_eq!(status(&ipe), BaselineStatus::None);
        assert_eq!(check(&ipe).len(), 1);
    }
}
