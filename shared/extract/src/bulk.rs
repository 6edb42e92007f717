//! Which driver reads the rows, and the pair of drivers: one reads the rows, the other everything that they are held to.

use std::str::FromStr;

use async_trait::async_trait;
use soxauto_domain::{
    BoundQuery,
    receipt::{Decoder, SourceIdentity},
};

use crate::{
    connection::ConnectionSettings,
    discreet::{Discreet, Redaction},
    error::ExtractError,
    mssql_driver,
    one_row::NamedValue,
    source::{DescribedColumn, Driver, Limits, RowSink, Source},
    tiberius_driver,
};

/// Reads SQL Server: rows with the driver that is chosen; description, identity, control totals and witnesses always
/// with tiberius, on a connection of its own.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum BulkDriver {
    /// tiberius reads the rows as well: one decoder, one connection.
    Tiberius,
    /// Microsoft's mssql-tds reads the rows, on a second connection.
    #[default]
    MssqlTds,
}

impl BulkDriver {
    /// Every driver.
    pub const ALL: [Self; 2] = [Self::Tiberius, Self::MssqlTds];

    /// By the name that settings and receipts have for it: `tiberius`, `mssql-tds`.
    #[must_use]
    pub fn from_name(name: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|driver| driver.name() == name)
    }

    /// Its name in settings and receipts.
    #[must_use]
    pub fn name(self) -> &'static str {
        self.decoder().as_str()
    }

    fn decoder(self) -> Decoder {
        match self {
            Self::Tiberius => Decoder::Tiberius,
            Self::MssqlTds => Decoder::MssqlTds,
        }
    }
}

impl FromStr for BulkDriver {
    type Err = String;

    fn from_str(name: &str) -> Result<Self, String> {
        Self::from_name(name).ok_or_else(|| {
            let names = Self::ALL.map(Self::name);
            format!("{name:?} is none of {}", names.join(", "))
        })
    }
}

#[async_trait]
impl Driver for BulkDriver {
    async fn connect(
        &self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        let redaction = Redaction::of(&settings.password);
        match self.open(settings, database, limits).await {
            Ok(source) => Ok(Box::new(Discreet::new(source, redaction))),
            Err(e) => Err(redaction.error(e)),
        }
    }
}

impl BulkDriver {
    async fn open(
        self,
        settings: &ConnectionSettings,
        database: &str,
        limits: &Limits,
    ) -> Result<Box<dyn Source>, ExtractError> {
        let (witness, host, port) = tiberius_driver::connect(settings, database, limits).await?;
        match self {
            Self::Tiberius => Ok(Box::new(witness)),
            Self::MssqlTds => Ok(Box::new(Pair {
                witness,
                bulk: None,
                settings: settings.clone(),
                database: database.to_owned(),
                host,
                port,
                limits: *limits,
            })),
        }
    }
}

/// Two sessions with the same server.
struct Pair {
    witness: tiberius_driver::Session,
    /// Opened for the first rows: what the first session refuses costs no second login.
    bulk: Option<mssql_driver::Session>,
    settings: ConnectionSettings,
    database: String,
    /// Where the first session was led: the two must not read different servers.
    host: String,
    port: u16,
    limits: Limits,
}

#[async_trait]
impl Source for Pair {
    async fn identity(&mut self) -> Result<SourceIdentity, ExtractError> {
        self.witness.identity().await
    }

    async fn describe(&mut self, query: &BoundQuery) -> Result<Vec<DescribedColumn>, ExtractError> {
        self.witness.describe(query).await
    }

    async fn read(
        &mut self,
        query: &BoundQuery,
        sink: &mut dyn RowSink,
    ) -> Result<u64, ExtractError> {
        let bulk = match &mut self.bulk {
            Some(bulk) => bulk,
            none => {
                let server = (self.host.as_str(), self.port);
                none.insert(
                    mssql_driver::connect(&self.settings, &self.database, server, &self.limits)
                        .await?,
                )
            }
        };
        bulk.read(query, sink).await
    }

    async fn single_row(&mut self, query: &BoundQuery) -> Result<Vec<NamedValue>, ExtractError> {
        self.witness.single_row(query).await
    }

    fn decoder(&self) -> Option<Decoder> {
        Some(Decoder::MssqlTds)
    }
}
