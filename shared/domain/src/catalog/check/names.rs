//! Which names SQL Server, Redshift and Parquet can all hold.

/// Whether Redshift takes the name without quotes.
pub(in crate::catalog) fn is_warehouse_name(name: &str) -> bool {
    (1..=127).contains(&name.len())
        && name.starts_with(|c: char| c.is_ascii_lowercase())
        && name
            .bytes()
            .all(|b| b.is_ascii_lowercase() || b.is_ascii_digit() || b == b'_')
}

/// Whether the name can stand in a SELECT list, a Parquet schema and a Redshift table alike.
pub(super) fn is_column_name(name: &str) -> bool {
    (1..=127).contains(&name.len())
        && !name.chars().any(|c| c.is_control() || c == '"')
        && name.trim() == name
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn navs_names_are_columns_and_only_plain_ones_are_tables() {
        for name in [
            "Entry No_",
            "Amount (LCY)",
            "G/L_Account_No",
            "Is_Active?",
            "Opco/Central_?",
            "Montant é",
        ] {
            assert!(is_column_name(name), "{name}");
            assert!(!is_warehouse_name(name), "{name}");
        }
        assert!(is_warehouse_name("pg01_validated_ipe_07"));
        for name in ["", " a", "a ", "a\"b", "a\nb", &"a".repeat(128)] {
            assert!(!is_column_name(name), "{name:?}");
            assert!(!is_warehouse_name(name), "{name:?}");
        }
    }
}
