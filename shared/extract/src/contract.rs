//! The contract: the query's columns, as the server describes them, against those of the plan.
//!
//! Every difference is reported at once. Nullability needs no rule here: NULL in a column declared without is counted
//! per value by the `not_null` check, whatever the server believes about the expression.

use std::collections::BTreeMap;

use soxauto_domain::{catalog::MAX_COLUMNS, plan::ColumnContract};

use crate::{
    error::ExtractError,
    source::{DescribedColumn, DescribedType},
    type_map,
};

/// Compares; the order of the errors is that of what an operator must repair first.
///
/// # Errors
/// Too many columns, a name twice, a type without an exact counterpart, or any difference from the contract.
pub(crate) fn check(
    described: &[DescribedColumn],
    declared: &[ColumnContract],
) -> Result<(), ExtractError> {
    if described.len() > MAX_COLUMNS {
        return Err(ExtractError::TooManyColumns {
            found: described.len(),
            most: MAX_COLUMNS,
        });
    }
    let mut seen: BTreeMap<String, usize> = BTreeMap::new();
    for column in described.iter().filter(|c| !c.name.is_empty()) {
        *seen.entry(column.name.to_lowercase()).or_default() += 1;
    }
    let names: Vec<String> = described
        .iter()
        .filter(|c| seen.remove(&c.name.to_lowercase()).is_some_and(|n| n > 1))
        .map(|c| format!("{:?}", c.name))
        .collect();
    if !names.is_empty() {
        return Err(ExtractError::DuplicateColumn { names });
    }
    let columns: Vec<String> = described
        .iter()
        .filter_map(|c| match &c.sql_type {
            DescribedType::Refused(name) => Some(format!(
                "column {:?} is {name}, which has no exact counterpart: CAST it in the query",
                c.name
            )),
            DescribedType::Known(_) => None,
        })
        .collect();
    if !columns.is_empty() {
        return Err(ExtractError::TypeUnsupported { columns });
    }
    let differences = differences(described, declared);
    if differences.is_empty() {
        Ok(())
    } else {
        Err(ExtractError::Contract { differences })
    }
}

fn differences(described: &[DescribedColumn], declared: &[ColumnContract]) -> Vec<String> {
    let mut found = Vec::new();
    if described.len() != declared.len() {
        found.push(format!(
            "the query returns {} columns, the contract declares {}",
            described.len(),
            declared.len()
        ));
    }
    for (position, (is, should)) in described.iter().zip(declared).enumerate() {
        let number = position + 1;
        if is.name != should.name {
            let name = if is.name.is_empty() {
                "without a name".to_owned()
            } else {
                format!("{:?}", is.name)
            };
            found.push(format!(
                "column {number} is {name}, declared {:?}",
                should.name
            ));
            continue;
        }
        if let DescribedType::Known(sql_type) = is.sql_type
            && let Err(why) = type_map::fits(sql_type, should.sql_type)
        {
            found.push(format!(
                "column {number} {:?} is {sql_type}, declared {}: {why}",
                is.name, should.sql_type
            ));
        }
    }
    for missing in declared.iter().skip(described.len()) {
        found.push(format!("declared column {:?} is missing", missing.name));
    }
    for extra in described.iter().skip(declared.len()) {
        found.push(format!("column {:?} is not declared", extra.name));
    }
    found
}

#[cfg(test)]
mod tests {
    use soxauto_domain::{Code, catalog::Sample};

    use super::*;

    fn described(name: &str, sql_type: &str) -> DescribedColumn {
        let sql_type = sql_type.parse().map_or_else(
            |_| DescribedType::Refused(sql_type.to_owned()),
            DescribedType::Known,
        );
        DescribedColumn {
            name: name.into(),
            sql_type,
            nullable: true,
        }
    }

    fn declared(name: &str, sql_type: &str) -> ColumnContract {
        ColumnContract {
            name: name.into(),
            sql_type: sql_type.parse().unwrap(),
            nullable: false,
            accepted: None,
            min: None,
            max: None,
            from: None,
            before: None,
            rounding: None,
            sample: Sample::Show,
        }
    }

    #[test]
    fn all_differences_come_at_once() {
        let is = [
            described("a", "int"),
            described("B", "int"),
            described("c", "nvarchar(max)"),
            described("", "int"),
        ];
        let should = [
            declared("a", "bigint"),
            declared("b", "int"),
            declared("c", "nvarchar(20)"),
            declared("d", "int"),
            declared("e", "int"),
        ];
        let error = check(&is, &should).unwrap_err();
        assert_eq!(error.code(), Code::ContractMismatch);
        let text = error.to_string();
        for says in [
            "4 columns, the contract declares 5",
            "column 1 \"a\" is int, declared bigint",
            "column 2 is \"B\", declared \"b\"",
            "wider",
            "column 4 is without a name",
            "\"e\" is missing",
        ] {
            assert!(text.contains(says), "{says}: {text}");
        }
        assert!(check(&[described("a", "int")], &[declared("a", "int")]).is_ok());
    }

    #[test]
    fn types_without_a_counterpart_duplicates_and_too_many_have_their_own_codes() {
        let error = check(
            &[described("v", "sql_variant"), described("g", "geography")],
            &[declared("v", "int")],
        )
        .unwrap_err();
        assert_eq!(error.code(), Code::TypeUnsupported);
        assert!(
            error.to_string().contains("\"v\" is sql_variant")
                && error.to_string().contains("geography")
        );
        let error = check(
            &[
                described("Amount", "int"),
                described("x", "int"),
                described("AMOUNT", "int"),
            ],
            &[],
        )
        .unwrap_err();
        assert_eq!(error.code(), Code::DuplicateColumn);
        assert!(error.to_string().contains("\"Amount\""), "{error}");
        let many: Vec<_> = (0..4_000)
            .map(|n| described(&format!("c{n}"), "int"))
            .collect();
        let error = check(&many, &[]).unwrap_err();
        assert_eq!(error.code(), Code::TooManyColumns);
        assert!(
            error.to_string().contains("4000") && error.to_string().contains("1595"),
            "{error}"
        );
    }
}
