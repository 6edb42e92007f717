//! The answer to the worker's question who the server is and what the login may do, for scripts.

use crate::cell::Cell;
use crate::error::SqlError;
use crate::script::{Rows, Script};
use crate::types::Column;

/// Days from 0001-01-01 to 2024-05-01.
const DAY: i64 = 739_006;

impl Script {
    /// Server NAV01, database AIG_Nav_DW, login `reader`, READ COMMITTED, and no right to write but UPDATE if `can_write`.
    ///
    /// # Errors
    /// Never: the columns' types are valid.
    pub fn identity(can_write: bool) -> Result<Self, SqlError> {
        let mut columns = Vec::new();
        let mut row = Vec::new();
        for (name, value) in [
            ("server", "NAV01"),
            ("database", "AIG_Nav_DW"),
            ("login", "reader"),
            (
                "version",
                "Microsoft SQL Server 2019 (RTM-CU27)\n\tCopyright",
            ),
        ] {
            columns.push(Column::new(name, "nvarchar(400)")?);
            row.push(Cell::text(value));
        }
        columns.push(Column::new("server_time", "datetime2(7)")?);
        row.push(Cell::DateTime {
            days: DAY,
            ticks: 252_000_000_001,
        });
        for name in [
            "isolation",
            "can_insert",
            "can_update",
            "can_delete",
            "can_alter",
            "is_datawriter",
            "is_owner",
            "is_ddladmin",
            "is_db_securityadmin",
            "is_accessadmin",
            "is_sysadmin",
            "is_securityadmin",
            "is_dbcreator",
        ] {
            columns.push(Column::new(name, "int")?);
            row.push(Cell::Int(match name {
                "isolation" => 2,
                "can_update" => i64::from(can_write),
                _ => 0,
            }));
        }
        Ok(Self::rows(Rows::cells(columns, vec![row])))
    }
}
