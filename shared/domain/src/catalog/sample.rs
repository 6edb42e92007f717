//! A small valid control for the tests of this module; each test spoils one thing.

use std::collections::BTreeMap;

pub(super) const CONTROL: &str = r#"schema = "soxauto.control/1"
id = "C-PG-1"
title = "Ledger against operations"
description = "Compares balances."
time_zone = "Europe/Paris"
deadline_hours = 24
warehouse_schema = "reconciliation"
"#;

pub(super) const IPE: &str = r#"schema = "soxauto.ipe/1"
id = "IPE_07"
title = "Customer balances"
description = "Entry by entry."
accounts = ["13003"]
database = "AIG_Nav_DW"
query = "IPE_07.sql"
allow_empty = false
key = ["Entry No_"]
table = "pg01_ipe_07"

[parameters]
cutoff = { type = "datetime", from = "cutoff" }
accounts = { type = "nvarchar(20)", values = ["13003", "13004"] }
scope = { type = "int", value = "1" }

[[columns]]
name = "Entry No_"
type = "int"
nullable = false

[[columns]]
name = "Amount (LCY)"
type = "decimal(38,20)"
nullable = true
min = "-1000"
max = "1000"

[[columns]]
name = "Posting Date"
type = "datetime"
nullable = false
from = "year_start"
before = "cutoff"
sample = "mask"

[[columns]]
name = "Account"
type = "nvarchar(20)"
nullable = false
accepted = ["13003", "13004"]

[completeness]
query = "IPE_07.completeness.sql"
rows = "row_count"

[[completeness.totals]]
column = "Amount (LCY)"
function = "sum"
result = "amount"

[witness]
query = "IPE_07.witness.sql"

[negative]
parameter = "accounts"
remove = "13004"
match = { Account = "13004" }
"#;

pub(super) const SQL: &str = "SELECT [Entry No_], [Amount (LCY)], [Posting Date], Account\nFROM dbo.t\nWHERE [Posting Date] < @cutoff AND Account IN (@accounts) AND scope = @scope\n";

/// The files of the sample; `spoil` may change them.
pub(super) fn files(spoil: impl FnOnce(&mut BTreeMap<String, String>)) -> BTreeMap<String, String> {
    let mut files = BTreeMap::from([
        ("control.toml".to_owned(), CONTROL.to_owned()),
        ("IPE_07.toml".to_owned(), IPE.to_owned()),
        ("IPE_07.sql".to_owned(), SQL.to_owned()),
        (
            "IPE_07.completeness.sql".to_owned(),
            "SELECT COUNT_BIG(*) AS row_count, SUM(a) AS amount FROM dbo.u WHERE d < @cutoff"
                .to_owned(),
        ),
        (
            "IPE_07.witness.sql".to_owned(),
            "SELECT TOP 1 [Entry No_] FROM dbo.u ORDER BY 1".to_owned(),
        ),
    ]);
    spoil(&mut files);
    files
}

/// The sample with one replacement in one file, which must occur there.
pub(super) fn with(file: &str, from: &str, to: &str) -> BTreeMap<String, String> {
    files(|files| {
        let text = files.get_mut(file).unwrap();
        assert!(text.contains(from), "{file} has no {from:?}");
        *text = text.replacen(from, to, 1);
    })
}
