//! The suite with mssql-tds, which reads the rows while tiberius reads everything else.

pub(crate) const DRIVER: soxauto_extract::BulkDriver = soxauto_extract::BulkDriver::MssqlTds;

#[path = "connecting.rs"]
mod connecting;
#[path = "faults.rs"]
mod faults;
#[path = "month.rs"]
mod month;
#[path = "round_trip.rs"]
mod round_trip;
#[path = "server.rs"]
pub(crate) mod server;
#[path = "types.rs"]
mod types;
