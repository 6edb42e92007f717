//! The checks that look at rows, each holding and each failing.

use std::sync::Arc;

use arrow_array::{ArrayRef, Decimal128Array, Int32Array, StringArray, TimestampMicrosecondArray};
use soxauto_domain::{CheckKind, plan::ColumnContract};

use super::*;
use crate::{
    batch, canonical,
    checks::outcomes::Evidence,
    completeness::Completeness,
    test_plan::{column, ipe},
};

type Row<'r> = (
    Option<i32>,
    Option<i128>,
    Option<&'r str>,
    Option<&'r str>,
    Option<&'r str>,
);

const E20: i128 = 100_000_000_000_000_000_000;

fn batch(rows: &[Row<'_>]) -> RecordBatch {
    let micros = |t: &str| canonical::parse_timestamp(t).unwrap() / 10;
    let columns: Vec<ArrayRef> = vec![
        Arc::new(Int32Array::from_iter(rows.iter().map(|r| r.0))),
        Arc::new(
            Decimal128Array::from_iter(rows.iter().map(|r| r.1))
                .with_precision_and_scale(38, 20)
                .unwrap(),
        ),
        Arc::new(TimestampMicrosecondArray::from_iter(
            rows.iter().map(|r| r.2.map(micros)),
        )),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.3))),
        Arc::new(StringArray::from_iter(rows.iter().map(|r| r.4))),
    ];
    RecordBatch::try_new(batch::schema(&ipe().columns), columns).unwrap()
}

const GOOD: [Row<'static>; 3] = [
    (
        Some(1),
        Some(E20),
        Some("2024-04-01"),
        Some("Ada"),
        Some("13003"),
    ),
    (
        Some(2),
        Some(-E20 / 2),
        Some("2024-04-30T23:59:59.999999"),
        None,
        Some("13004"),
    ),
    (Some(3), Some(1), None, Some(""), Some("13003")),
];

struct Case {
    ipe: PlannedIpe,
    before: Completeness,
    after: Completeness,
    witness: Vec<NamedValue>,
    perturbed: Vec<Row<'static>>,
    last: Option<u64>,
}

impl Case {
    fn good() -> Self {
        let answer = Completeness {
            rows: 3,
            totals: vec![
                Some("0.50000000000000000001".into()),
                Some("2024-04-30T23:59:59.999999".into()),
            ],
        };
        let named = |name: &str, value: &str| NamedValue {
            name: name.into(),
            value: Some(value.into()),
        };
        Self {
            ipe: ipe(),
            before: answer.clone(),
            after: answer,
            witness: vec![
                named("Entry No_", "2"),
                named("Posting Date", "2024-04-30T23:59:59.999999"),
            ],
            perturbed: vec![GOOD[0], GOOD[2]],
            last: Some(3),
        }
    }

    /// The outcomes over the rows, in batches of two.
    fn outcomes(&self, rows: &[Row<'_>]) -> Vec<CheckOutcome> {
        let mut checks =
            StreamChecks::new(&self.ipe, &self.witness, &std::env::temp_dir(), 100).unwrap();
        for chunk in rows.chunks(2) {
            checks.observe(&batch(chunk)).unwrap();
        }
        let seen = checks.finish().unwrap();
        let mut negative = negative(&self.ipe);
        if let Ok(matcher) = &mut negative {
            matcher.observe(&batch(&self.perturbed)).unwrap();
        }
        let evidence = Evidence {
            ipe: &self.ipe,
            before: &self.before,
            after: &self.after,
            perturbed: (self.perturbed.len() as u64, &negative),
            last_published_rows: self.last,
        };
        let totals = evidence.control_totals(&seen);
        assert_eq!(totals.len(), self.ipe.completeness.totals.len());
        evidence.outcomes(&seen)
    }

    /// The identifiers of the checks that do not hold.
    fn failed(&self, rows: &[Row<'_>]) -> Vec<String> {
        let outcomes = self.outcomes(rows);
        for outcome in &outcomes {
            assert_eq!(
                outcome.passed() || outcome.check != CheckKind::NotNull,
                outcome.examples.is_empty() || outcome.check != CheckKind::NotNull
            );
            assert!(
                !outcome.expected.is_empty() && !outcome.measured.is_empty(),
                "{outcome:?}"
            );
        }
        outcomes
            .iter()
            .filter(|o| !o.passed())
            .map(CheckOutcome::id)
            .collect()
    }
}

#[test]
fn every_declared_check_has_an_outcome_once() {
    let ids: Vec<String> = Case::good()
        .outcomes(&GOOD)
        .iter()
        .map(CheckOutcome::id)
        .collect();
    assert_eq!(
        ids,
        [
            "contract",
            "not_empty",
            "key_unique",
            "completeness_rows",
            "completeness_total:amount",
            "completeness_total:last",
            "accuracy_positive",
            "accuracy_negative",
            "not_null:Entry No_",
            "not_null:Amount (LCY)",
            "period:Posting Date",
            "not_null:Account",
            "accepted_values:Account",
            "row_variance"
        ]
    );
    assert_eq!(Case::good().failed(&GOOD), Vec::<String>::new());
}

#[test]
fn each_defect_is_found_by_the_check_meant_for_it() {
    let with = |change: fn(&mut Vec<Row<'static>>)| {
        let mut rows = GOOD.to_vec();
        change(&mut rows);
        Case::good().failed(&rows)
    };
    assert_eq!(with(|r| r[2].0 = Some(1)), ["key_unique"]);
    assert_eq!(
        with(|r| r.truncate(2)),
        [
            "completeness_rows",
            "completeness_total:amount",
            "row_variance"
        ]
    );
    assert_eq!(with(|r| r[0].1 = Some(-E20)), ["completeness_total:amount"]);
    assert_eq!(
        with(|r| r[0].2 = Some("2024-05-01")),
        ["completeness_total:last", "period:Posting Date"]
    );
    assert_eq!(
        with(|r| r[0].2 = Some("2024-03-31T23:59:59.999999")),
        ["period:Posting Date"]
    );
    assert_eq!(with(|r| r[2].0 = None), ["not_null:Entry No_"]);
    assert_eq!(
        with(|r| r[2].4 = Some("13009")),
        ["accepted_values:Account"]
    );
    assert_eq!(
        with(|r| r[2].4 = Some("13003 ")),
        ["accepted_values:Account"]
    );
    assert_eq!(with(|r| r[2].4 = None), ["not_null:Account"]);
    assert_eq!(with(|r| r[1].0 = Some(9)), ["accuracy_positive"]);
    // Without the rows of the value in the extract, their absence proves nothing.
    assert_eq!(with(|r| r[1].4 = Some("13003")), ["accuracy_negative"]);
}

#[test]
fn a_filter_that_does_nothing_is_found() {
    let case = Case {
        perturbed: GOOD.to_vec(),
        ..Case::good()
    };
    assert_eq!(case.failed(&GOOD), ["accuracy_negative"]);
}

#[test]
fn examples_name_rows_and_hide_what_is_masked() {
    let mut case = Case::good();
    case.ipe.columns[3] = ColumnContract {
        accepted: Some(vec!["Bob".into()]),
        ..case.ipe.columns[3].clone()
    };
    let outcomes = case.outcomes(&GOOD);
    let of = |id: &str| outcomes.iter().find(|o| o.id() == id).unwrap();
    assert_eq!(
        of("accepted_values:Name").examples,
        ["row 1: not shown", "row 3: not shown"]
    );
    let rows = [GOOD[0], GOOD[0], (Some(5), None, None, None, Some("x"))];
    let outcomes = case.outcomes(&rows);
    let of = |id: &str| outcomes.iter().find(|o| o.id() == id).unwrap();
    assert_eq!(of("key_unique").examples, ["rows 1 and 2 share a key"]);
    assert_eq!(of("accepted_values:Account").examples, ["row 3: x"]);
    assert_eq!(of("not_null:Amount (LCY)").examples, ["row 3: NULL"]);
}

#[test]
fn empty_is_success_only_where_declared_and_only_if_the_source_agrees() {
    let nothing = Completeness {
        rows: 0,
        totals: vec![None, None],
    };
    let mut case = Case {
        before: nothing.clone(),
        after: nothing,
        witness: vec![],
        perturbed: vec![],
        last: None,
        ..Case::good()
    };
    assert_eq!(
        case.failed(&[]),
        ["not_empty", "accuracy_positive", "accuracy_negative"]
    );
    case.ipe.allow_empty = true;
    assert_eq!(case.failed(&[]), Vec::<String>::new());
    // The source says three rows: nothing is no success then.
    let lost = Case {
        ipe: case.ipe,
        ..Case::good()
    };
    assert_eq!(
        lost.failed(&[]),
        [
            "not_empty",
            "completeness_rows",
            "completeness_total:amount",
            "completeness_total:last",
            "accuracy_positive",
            "accuracy_negative",
            "row_variance"
        ]
    );
}

#[test]
fn what_cannot_be_evaluated_has_failed() {
    let mut case = Case::good();
    case.witness = vec![NamedValue {
        name: "No such".into(),
        value: None,
    }];
    assert_eq!(case.failed(&GOOD), ["accuracy_positive"]);
    case.witness = vec![];
    assert_eq!(case.failed(&GOOD), ["accuracy_positive"]);
    case = Case::good();
    case.ipe.negative.values = [("Entry No_".to_owned(), "abc".to_owned())].into();
    assert_eq!(case.failed(&GOOD), ["accuracy_negative"]);
    case = Case::good();
    case.ipe.columns[0].max = Some("many".into());
    assert_eq!(case.failed(&GOOD), ["range:Entry No_"]);
    case = Case::good();
    case.ipe.completeness.totals[0].column = "Name".into();
    assert_eq!(case.failed(&GOOD), ["completeness_total:amount"]);
}

#[test]
fn a_witness_of_nulls_is_no_known_transaction() {
    // What `SELECT MAX(…)` answers when it found nothing.
    let mut case = Case::good();
    case.witness = vec![NamedValue {
        name: "Name".into(),
        value: None,
    }];
    assert_eq!(case.failed(&GOOD), ["accuracy_positive"]);
    // Beside a value, NULL says something.
    case.witness.push(NamedValue {
        name: "Entry No_".into(),
        value: Some("2".into()),
    });
    assert_eq!(case.failed(&GOOD), Vec::<String>::new());
}

#[test]
fn a_sum_that_the_source_does_not_have_is_not_zero() {
    let rows = [
        (Some(1), Some(E20), GOOD[0].2, None, Some("13003")),
        (Some(2), Some(-E20), GOOD[1].2, None, Some("13004")),
        (Some(3), Some(0), None, None, Some("13003")),
    ];
    let mut case = Case::good();
    case.before.totals[0] = Some("0.00".into());
    assert_eq!(case.failed(&rows), Vec::<String>::new());
    // The independent query summed nothing, the extract holds three amounts.
    case.before.totals[0] = None;
    assert_eq!(case.failed(&rows), ["completeness_total:amount"]);
}

#[test]
fn a_witness_that_cannot_be_read_is_not_shown_when_masked() {
    let mut case = Case::good();
    case.ipe.columns[0].sample = soxauto_domain::catalog::Sample::Mask;
    case.witness[0].value = Some("4711-Ada".into());
    let outcomes = case.outcomes(&GOOD);
    let positive = outcomes
        .iter()
        .find(|o| o.check == CheckKind::AccuracyPositive)
        .unwrap();
    assert!(!positive.passed());
    assert!(!positive.measured.contains("4711"), "{positive:?}");
}

#[test]
fn a_period_in_another_zone_is_not_evaluated() {
    // The bounds are days of the control's zone, the extract holds UTC: 2024-05-01T00:30+02:00 would pass as April.
    let mut at = column("At", "datetimeoffset(7)");
    at.before = Some("2024-05-01".parse().unwrap());
    let outcomes: Vec<CheckOutcome> = columns::declared(&[at])
        .into_iter()
        .map(ColumnCheck::outcome)
        .collect();
    let period = outcomes
        .iter()
        .find(|o| o.check == CheckKind::Period)
        .unwrap();
    assert!(
        !period.passed() && period.measured.contains("not evaluated"),
        "{period:?}"
    );
}

#[test]
fn ranges_hold_at_their_ends() {
    let mut case = Case::good();
    case.ipe.columns[1].min = Some("-0.5".into());
    case.ipe.columns[1].max = Some("1".into());
    assert_eq!(case.failed(&GOOD), Vec::<String>::new());
    case.ipe.columns[1].max = Some("0.99999999999999999999".into());
    assert_eq!(case.failed(&GOOD), ["range:Amount (LCY)"]);
}

#[test]
fn a_sum_beyond_128_bits_is_no_sum() {
    let widest = 10i128.pow(38) - 1;
    let rows: Vec<Row<'_>> = (0..3)
        .map(|n| (Some(n), Some(widest), None, None, Some("13004")))
        .collect();
    let case = Case { ..Case::good() };
    let outcomes = case.outcomes(&rows);
    let total = outcomes
        .iter()
        .find(|o| o.id() == "completeness_total:amount")
        .unwrap();
    assert!(
        !total.passed() && total.measured.contains("128 bits"),
        "{total:?}"
    );
}

#[test]
fn row_variance_counts_both_ways() {
    for (last, holds) in [
        (Some(3), true),
        (Some(4), false),
        (Some(2), false),
        (Some(0), false),
        (None, true),
    ] {
        let outcomes = Case {
            last,
            ..Case::good()
        }
        .outcomes(&GOOD);
        let variance = outcomes
            .iter()
            .find(|o| o.check == CheckKind::RowVariance)
            .unwrap();
        assert_eq!(variance.passed(), holds, "{last:?}");
    }
    let mut case = Case::good();
    case.ipe.max_row_variance_percent = None;
    assert!(
        case.outcomes(&GOOD)
            .iter()
            .all(|o| o.check != CheckKind::RowVariance)
    );
}

#[test]
fn values_are_compared_by_their_type() {
    use crate::view::cells;
    let numbers: ArrayRef = Arc::new(
        Decimal128Array::from_iter_values([150])
            .with_precision_and_scale(10, 2)
            .unwrap(),
    );
    let view = cells(numbers.as_ref()).unwrap();
    for (text, equal) in [
        ("1.5", true),
        ("1.50", true),
        ("1.500", true),
        ("-1.5", false),
    ] {
        let wanted = wanted::Wanted::parse(&column("c", "decimal(10,2)"), Some(text)).unwrap();
        assert_eq!(wanted.equals(&view, 0), equal, "{text}");
    }
    assert!(wanted::Wanted::parse(&column("c", "decimal(10,2)"), Some("1.505")).is_err());
    let texts: ArrayRef = Arc::new(StringArray::from(vec![Some("AB  "), None, Some("")]));
    let view = cells(texts.as_ref()).unwrap();
    let wanted = |sql_type: &str, text: Option<&str>| {
        wanted::Wanted::parse(&column("c", sql_type), text).unwrap()
    };
    assert!(
        wanted("nchar(4)", Some("AB")).equals(&view, 0)
            && !wanted("nvarchar(4)", Some("AB")).equals(&view, 0)
    );
    assert!(
        wanted("nvarchar(4)", None).equals(&view, 1)
            && !wanted("nvarchar(4)", Some("")).equals(&view, 1)
    );
    assert!(!wanted("nvarchar(4)", None).equals(&view, 2));
    let at: ArrayRef = Arc::new(TimestampMicrosecondArray::from(vec![1_714_435_200_000_000]));
    let view = cells(at.as_ref()).unwrap();
    for text in [
        "2024-04-30",
        "2024-04-30T00:00:00",
        "2024-04-30 00:00:00.0000000",
    ] {
        assert!(wanted("datetime", Some(text)).equals(&view, 0), "{text}");
    }
}
