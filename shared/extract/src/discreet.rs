//! What a server says, without the password that it was told: a server, or something before it, may quote what it was sent.

use async_trait::async_trait;
use soxauto_domain::{
    BoundQuery,
    receipt::{Decoder, SourceIdentity},
};

use crate::{
    connection::Secret,
    error::ExtractError,
    one_row::NamedValue,
    source::{DescribedColumn, DescribedType, RowSink, Source},
};

const HIDDEN: &str = "***";
/// A shorter password is in every sentence by chance, and no server should accept it.
const SHORTEST: usize = 4;

/// Takes a password out of texts.
#[derive(Debug, Clone)]
pub(crate) struct Redaction {
    /// As it is, and as T-SQL quotes it.
    forms: Vec<Secret>,
}

impl Redaction {
    pub(crate) fn of(password: &Secret) -> Self {
        let text = password.expose();
        let mut forms = Vec::new();
        if text.chars().count() >= SHORTEST {
            for form in [text.replace('\'', "''"), text.replace(']', "]]")] {
                if form != text {
                    forms.push(Secret::new(form));
                }
            }
            forms.push(password.clone());
        }
        Self { forms }
    }

    fn text(&self, text: &mut String) {
        for form in &self.forms {
            if text.contains(form.expose()) {
                *text = text.replace(form.expose(), HIDDEN);
            }
        }
    }

    fn texts(&self, texts: &mut [String]) {
        for text in texts {
            self.text(text);
        }
    }

    /// The error without the password, wherever somebody else's words are in it.
    pub(crate) fn error(&self, mut error: ExtractError) -> ExtractError {
        match &mut error {
            ExtractError::Server { message, .. } => self.text(message),
            ExtractError::Unreachable { reason, .. }
            | ExtractError::Tls { reason, .. }
            | ExtractError::ConnectionLost { reason, .. }
            | ExtractError::ControlQuery { reason, .. }
            | ExtractError::Internal(reason) => self.text(reason),
            ExtractError::LoginCanWrite {
                login,
                database,
                rights,
            } => {
                for text in [login, database, rights] {
                    self.text(text);
                }
            }
            ExtractError::Contract { differences } | ExtractError::Moved { differences } => {
                self.texts(differences);
            }
            ExtractError::TypeUnsupported { columns } => self.texts(columns),
            ExtractError::DuplicateColumn { names } => self.texts(names),
            ExtractError::Value {
                column,
                value,
                reason,
                ..
            } => {
                for text in [column, value, reason] {
                    self.text(text);
                }
            }
            ExtractError::Secret(_)
            | ExtractError::Stalled { .. }
            | ExtractError::Deadline { .. }
            | ExtractError::ResultSets { .. }
            | ExtractError::TooManyColumns { .. }
            | ExtractError::NotOneRow { .. }
            | ExtractError::Store(_)
            | ExtractError::Scratch(_) => {}
        }
        error
    }

    fn identity(&self, mut identity: SourceIdentity) -> SourceIdentity {
        let SourceIdentity {
            server,
            database,
            login,
            version,
            server_time,
            isolation,
            write_rights,
            can_write: _,
            tls: _,
        } = &mut identity;
        for text in [server, database, login, version, server_time, isolation] {
            self.text(text);
        }
        self.texts(write_rights);
        identity
    }

    fn column(&self, mut column: DescribedColumn) -> DescribedColumn {
        self.text(&mut column.name);
        if let DescribedType::Refused(name) = &mut column.sql_type {
            self.text(name);
        }
        column
    }
}

/// A session of which nothing but rows comes out with the password in it.
pub(crate) struct Discreet {
    source: Box<dyn Source>,
    redaction: Redaction,
}

impl Discreet {
    pub(crate) fn new(source: Box<dyn Source>, redaction: Redaction) -> Self {
        Self { source, redaction }
    }
}

#[async_trait]
impl Source for Discreet {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        let identity = self.source.identity().await;
        let identity = identity.map_err(|e| self.redaction.error(e))?;
        Ok(self.redaction.identity(identity))
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        let columns = self.source.describe(query).await;
        let columns = columns.map_err(|e| self.redaction.error(e))?;
        let columns = columns.into_iter().map(|c| self.redaction.column(c));
        Ok(columns.collect())
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let rows = self.source.read(query, sink).await;
        rows.map_err(|e| self.redaction.error(e))
    }

    async fn single_row(&mut self, query: &BoundQuery) -> Result<Vec<NamedValue>, ExtractError> {
        let row = self.source.single_row(query).await;
        row.map_err(|e| self.redaction.error(e))
    }

    fn decoder(&self) -> Option<Decoder> {
        self.source.decoder()
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn server(message: &str) -> ExtractError {
        ExtractError::Server {
            during: "connect",
            number: 18_456,
            state: 1,
            severity: 14,
            line: 1,
            message: message.into(),
        }
    }

    #[test]
    fn a_password_that_is_quoted_is_taken_out_in_each_form() {
        let redaction = Redaction::of(&Secret::new("pa'ss]word"));
        for said in [
            "Login failed: pa'ss]word.",
            "Login failed: 'pa''ss]word'.",
            "Login failed: [pa'ss]]word].",
        ] {
            let text = redaction.error(server(said)).to_string();
            assert!(!text.contains("word"), "{text}");
            assert!(text.contains("18456") && text.contains(HIDDEN), "{text}");
        }
        let lost = ExtractError::ConnectionLost {
            during: "x",
            rows: 0,
            reason: "pa'ss]word".into(),
        };
        assert!(redaction.error(lost).to_string().contains(HIDDEN));
        assert!(!format!("{redaction:?}").contains("word"));
    }

    #[test]
    fn a_short_password_garbles_nothing() {
        let redaction = Redaction::of(&Secret::new("x"));
        let text = redaction.error(server("max exceeded")).to_string();
        assert!(text.contains("max exceeded"), "{text}");
    }
}
