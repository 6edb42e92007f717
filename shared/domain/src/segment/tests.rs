use super::*;
use crate::receipt::TlsRecord;

fn attempt() -> Attempt {
    Attempt {
        run_id: "C-PG-1/2024-05-01/r1".parse().unwrap(),
        ipe_id: "IPE_07".parse().unwrap(),
        number: 2,
    }
}

fn range(after: i64, upto: i64, first_part: usize, rows: u64) -> SegmentRange {
    SegmentRange {
        after,
        upto,
        rows,
        perturbed: Perturbed {
            rows: rows / 2,
            matching: 0,
        },
        files: (rows > 0)
            .then(|| FileRecord {
                path: part_path(first_part),
                size: 1_234,
                sha256: Sha256::of(part_path(first_part)),
                rows: Some(rows),
            })
            .into_iter()
            .collect(),
    }
}

fn segment(number: u32, ranges: Vec<SegmentRange>, after: i64) -> Segment {
    Segment {
        schema: SegmentSchema,
        run_id: attempt().run_id,
        ipe_id: attempt().ipe_id,
        attempt: attempt().number,
        segment: number,
        plan_sha256: Sha256::of("plan"),
        started_at: "2024-05-01T07:00:00Z".parse().unwrap(),
        ended_at: "2024-05-01T07:14:40Z".parse().unwrap(),
        extracted_at: "2024-05-01T07:00:00Z".parse().unwrap(),
        source: SourceIdentity {
            server: "NAV01".into(),
            database: "AIG_Nav_DW".into(),
            login: "reader".into(),
            version: "Microsoft SQL Server 2019".into(),
            server_time: "2024-05-01T07:00:01.000".into(),
            isolation: "read committed".into(),
            can_write: false,
            write_rights: vec![],
            tls: TlsRecord::Verified,
        },
        decoder: Some(Decoder::Tiberius),
        completeness: SourceAnswer {
            rows: 35,
            totals: vec![Some("12.50".into()), None],
        },
        span: Span::new(1, 100),
        fruitless: u32::from(ranges.is_empty()),
        ranges,
        cursor: Cursor { after, width: 25 },
        software: Software {
            name: "soxauto-worker".into(),
            version: "0.1.0".into(),
            binary_sha256: Sha256::of("bootstrap"),
        },
        worker: WorkerRecord {
            request_id: "r-1".into(),
            function: "worker:7".into(),
            receive_count: 1,
            replayed_by: None,
        },
    }
}

fn segments() -> Vec<Segment> {
    vec![
        segment(1, vec![range(0, 25, 0, 10), range(25, 50, 1, 0)], 50),
        segment(2, vec![], 50),
        segment(3, vec![range(50, 75, 1, 20)], 75),
    ]
}

fn resumed(segments: Vec<Segment>) -> Result<Resumed, String> {
    Resumed::of(&attempt(), Sha256::of("plan"), segments)
}

#[test]
fn the_record_keeps_its_form() {
    // Records of one release are read by the next: a change here is a new schema.
    let written = serde_json::to_string_pretty(&segments()[0]).unwrap() + "\n";
    assert_eq!(written, include_str!("segment-1.golden.json"));
    let read: Segment = serde_json::from_str(&written).unwrap();
    assert_eq!(read, segments()[0]);
    let mut more: serde_json::Value = serde_json::from_str(&written).unwrap();
    more["ranges"][0]["witness"] = 1.into();
    assert!(serde_json::from_value::<Segment>(more).is_err());
}

#[test]
fn records_that_fit_together_say_where_to_go_on() {
    let resumed = resumed(segments()).unwrap();
    assert_eq!((resumed.rows(), resumed.files().count()), (30, 2));
    assert_eq!(
        resumed.next(),
        Some(KeyRange {
            after: 75,
            upto: 100
        })
    );
    let mut all = segments();
    assert_eq!(resumed.decoder(), Some(Decoder::Tiberius));
    all[0].decoder = Some(Decoder::MssqlTds);
    all.push(segment(4, vec![range(75, 100, 2, 5)], 100));
    let all = Resumed::of(&attempt(), Sha256::of("plan"), all).unwrap();
    // Where two programs decoded, neither did all of it.
    assert_eq!((all.next(), all.decoder()), (None, None));
}

#[test]
fn records_that_contradict_each_other_are_built_on_by_nobody() {
    type Spoil = fn(&mut Vec<Segment>);
    let wrong: [(&str, Spoil); 14] = [
        ("none", Vec::clear),
        ("one left out", |s| drop(s.remove(1))),
        ("another attempt", |s| s[1].attempt = 1),
        ("another plan", |s| s[2].plan_sha256 = Sha256::of("other")),
        ("another mark", |s| s[2].span = Span::new(1, 101)),
        ("another source", |s| s[2].source.login = "sa".into()),
        ("another count", |s| s[1].completeness.rows = 36),
        ("another time in the rows", |s| {
            s[1].extracted_at = "2024-05-01T08:00:00Z".parse().unwrap();
        }),
        ("a gap", |s| s[2].ranges[0].after = 51),
        ("an overlap", |s| s[2].ranges[0].after = 49),
        ("rows without parts", |s| s[2].ranges[0].files.clear()),
        ("a part of another name", |s| {
            s[2].ranges[0].files[0].path = part_path(0);
        }),
        ("a cursor elsewhere", |s| s[2].cursor.after = 50),
        ("beyond the mark", |s| {
            s[2].ranges[0].upto = 101;
            s[2].cursor.after = 101;
        }),
    ];
    for (name, spoil) in wrong {
        let mut all = segments();
        spoil(&mut all);
        assert!(resumed(all).is_err(), "{name}");
    }
    assert!(Resumed::of(&attempt(), Sha256::of("other"), segments()).is_err());
}
