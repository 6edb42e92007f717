//! A scanner that finds nothing proves nothing: it finds what is planted, in every form and in every packing.

use std::{io::Write as _, process::Command, sync::Arc, time::Duration};

use arrow_array::{
    BinaryArray, DictionaryArray, Int64Array, RecordBatch, StringArray, types::Int32Type,
};
use arrow_schema::{DataType, Field, Schema};
use base64::{Engine as _, engine::general_purpose};
use parquet::{arrow::ArrowWriter, basic::Compression, file::properties::WriterProperties};

use super::*;

fn scanner(text: &str) -> Scanner {
    Scanner::new(&[Secret::new("s", text)])
}

fn forms(what: &[What]) -> Vec<Form> {
    let form = |what: &What| match what {
        What::Secret(_, form) => *form,
        What::Opaque(why) => panic!("{why}"),
    };
    what.iter().map(form).collect()
}

/// Python's encoders, which nobody here wrote.
fn python_says(expression: &str, text: &str) -> Vec<u8> {
    let script = format!(
        "import sys, io, json, html, base64, bz2, gzip, lzma, urllib.parse, zipfile\ndef zipped(b):\n    f = io.BytesIO()\n    z = zipfile.ZipFile(f, 'w', zipfile.ZIP_DEFLATED)\n    z.writestr('a', 'nothing')\n    z.writestr('b', b)\n    z.close()\n    return f.getvalue()\ns = sys.stdin.buffer.read().decode()\nr = {expression}\nsys.stdout.buffer.write(r if isinstance(r, bytes) else r.encode())"
    );
    let mut child = Command::new("python3")
        .args(["-c", &script])
        .stdin(std::process::Stdio::piped())
        .stdout(std::process::Stdio::piped())
        .spawn()
        .unwrap();
    child
        .stdin
        .take()
        .unwrap()
        .write_all(text.as_bytes())
        .unwrap();
    let output = child.wait_with_output().unwrap();
    assert!(output.status.success());
    output.stdout
}

#[test]
fn each_form_is_found_as_others_write_it() {
    // Without a part of its own, so that only the whole can be found.
    let secret = "a\"b\\c'%+/=&<> é;d{e}f";
    let scanner = scanner(secret);
    for (expression, form) in [
        ("'x' + s + 'y'", Form::Plain),
        ("json.dumps({'message': s}, ensure_ascii=False)", Form::Json),
        (
            "json.dumps({'m': json.dumps([s], ensure_ascii=False)}, ensure_ascii=False)",
            Form::Json,
        ),
        ("'?q=' + urllib.parse.quote(s, safe='')", Form::Percent),
        ("'?q=' + urllib.parse.quote_plus(s)", Form::Percent),
        (
            "urllib.parse.quote(s, safe='').replace('%2B', '%2b').replace('%C3%A9', '%c3%a9').replace('%2F', '%2f').replace('%3D', '%3d').replace('%5C', '%5c').replace('%3C', '%3c').replace('%3E', '%3e').replace('%3B', '%3b').replace('%7B', '%7b').replace('%7D', '%7d')",
            Form::Percent,
        ),
        ("'<td>' + html.escape(s) + '</td>'", Form::Html),
        ("s.encode().hex()", Form::Hex),
        ("s.encode().hex().upper()", Form::Hex),
        ("s.encode('utf-16-le').hex()", Form::Hex),
        ("base64.b64encode(s.encode())", Form::Base64),
        (
            "base64.b64encode(b'1' + s.encode() + b'tail')",
            Form::Base64,
        ),
        (
            "base64.b64encode(b'22' + s.encode() + b'tail')",
            Form::Base64,
        ),
        (
            "base64.urlsafe_b64encode(b'1' + s.encode() + b'ta')",
            Form::Base64,
        ),
        (
            "base64.b64encode(b'22' + s.encode('utf-16-le'))",
            Form::Base64,
        ),
        ("s.encode('utf-16-le')", Form::Utf16),
        ("s.encode('utf-16-be')", Form::Utf16),
        (
            "bytes(((b << 4 | b >> 4) & 255) ^ 0xA5 for b in s.encode('utf-16-le'))",
            Form::Login7,
        ),
    ] {
        let text = [
            b"before ".to_vec(),
            python_says(expression, secret),
            b" after".to_vec(),
        ];
        let found = forms(&scanner.scan(&text.concat()));
        assert_eq!(found, [form], "{expression}");
    }
    assert_eq!(scanner.scan(b"nothing is here, not even a\"b\\c"), []);
}

#[test]
fn what_is_left_of_a_secret_that_was_cut_is_found() {
    let secret = "Abcdefghij12;Klmnopqrst34";
    let scanner = scanner(secret);
    for left in [
        "keyword \"Klmnopqrst34\"",
        "PWD=Abcdefgh…",
        "…opqrst34 is wrong",
        "Abcdefghij12",
    ] {
        assert_eq!(
            forms(&scanner.scan(left.as_bytes())),
            [Form::Part],
            "{left}"
        );
    }
    let packed = general_purpose::STANDARD.encode("xKlmnopqrst34");
    assert_eq!(forms(&scanner.scan(packed.as_bytes())), [Form::Base64]);
}

#[test]
fn a_canary_is_found_by_what_all_have_and_is_never_the_same() {
    let (one, other) = (canary(), canary());
    assert_ne!(one, other);
    let by_mark = Scanner::new(&known());
    assert!(!by_mark.scan(one.as_bytes()).is_empty());
    assert!(!by_mark.scan(canary_token().as_bytes()).is_empty());
    assert!(!format!("{:?}", Secret::new("s", &one)).contains(&one));
}

/// What Python packs.
fn packed(expression: &str, bytes: &[u8]) -> Vec<u8> {
    let hex: String = bytes.iter().map(|byte| format!("{byte:02x}")).collect();
    python_says(&format!("(lambda b: {expression})(bytes.fromhex(s))"), &hex)
}

fn gzip(bytes: &[u8]) -> Vec<u8> {
    packed("gzip.compress(b)", bytes)
}

fn parquet(dictionary: bool, binary: bool) -> Vec<u8> {
    let texts = vec!["aaaaaaaa", "the s3cret-Of-This-Test is here", "aaaaaaaa"];
    let numbers: arrow_array::ArrayRef = Arc::new(Int64Array::from(vec![1, 2, 3]));
    let column: arrow_array::ArrayRef = if binary {
        Arc::new(BinaryArray::from_iter_values(texts))
    } else if dictionary {
        Arc::new(texts.into_iter().collect::<DictionaryArray<Int32Type>>())
    } else {
        Arc::new(StringArray::from(texts))
    };
    let fields = vec![
        Field::new("n", DataType::Int64, false),
        Field::new("t", column.data_type().clone(), true),
    ];
    let schema = Arc::new(Schema::new(fields));
    let batch = RecordBatch::try_new(Arc::clone(&schema), vec![numbers, column]).unwrap();
    let properties = WriterProperties::builder()
        .set_compression(Compression::ZSTD(Default::default()))
        .build();
    let mut bytes = Vec::new();
    let mut writer = ArrowWriter::try_new(&mut bytes, schema, Some(properties)).unwrap();
    writer.write(&batch).unwrap();
    writer.close().unwrap();
    bytes
}

#[test]
fn what_is_packed_is_looked_into() {
    let secret = "s3cret-Of-This-Test";
    let scanner = scanner(secret);
    let long = format!(
        "{}{secret}{}",
        "lorem ipsum ".repeat(500),
        "dolor ".repeat(500)
    );
    let gz = gzip(long.as_bytes());
    let zst = zstd::encode_all(long.as_bytes(), 3).unwrap();
    for (name, bytes) in [
        ("gzip", gz.clone()),
        ("zstd", zst),
        ("bzip2", packed("bz2.compress(b)", long.as_bytes())),
        ("xz", packed("lzma.compress(b)", long.as_bytes())),
        ("gzip in zip", packed("zipped(b)", &gz)),
        ("Parquet", parquet(false, false)),
        ("Parquet with a dictionary", parquet(true, false)),
        ("Parquet of bytes", parquet(false, true)),
        ("Parquet in gzip", gzip(&parquet(false, false))),
    ] {
        let found = scanner.look_into(&bytes);
        assert!(
            found.contains(&What::Secret("s".into(), Form::Plain)),
            "{name}: {found:?}"
        );
    }
    assert_eq!(self::scanner("another secret").look_into(&gz), []);
}

#[test]
fn what_cannot_be_looked_into_is_said() {
    let scanner = scanner("s3cret-Of-This-Test");
    let mut broken = gzip(b"anything at all");
    broken.truncate(14);
    for bytes in [
        &broken[..],
        b"BZh91AY&SY",
        b"\xFD7zXZ\0\0",
        b"PAR1 and PAR1",
    ] {
        let found = scanner.look_into(bytes);
        assert!(matches!(found[..], [What::Opaque(_)]), "{found:?}");
    }
}

#[test]
fn files_and_their_names_are_looked_into() {
    let folder = tempfile::tempdir().unwrap();
    let scanner = scanner("s3cret-Of-This-Test");
    let mut clean = Places::default();
    std::fs::create_dir(folder.path().join("deep")).unwrap();
    std::fs::write(folder.path().join("deep/file"), "nothing").unwrap();
    clean.folder(folder.path());
    assert_eq!(clean.findings(&scanner), []);
    assert_eq!(clean.count("deep/file"), 2, "its name and its content");
    std::fs::write(folder.path().join("deep/file"), "s3cret-Of-This-Test").unwrap();
    std::fs::write(folder.path().join("s3cret-Of-This-Test"), "").unwrap();
    let mut places = Places::default();
    places.folder(folder.path());
    let found = places.findings(&scanner);
    assert!(
        found.iter().any(|f| f.place.ends_with("deep/file")),
        "{found:?}"
    );
    assert!(
        found.iter().any(|f| f.place.starts_with("the name of")),
        "{found:?}"
    );
    assert!(places.without("s3cret") > 0);
}

#[test]
fn command_lines_and_environments_are_seen() {
    let secret = canary_token();
    let watch = Processes::watch(Arc::new(Scanner::new(&[Secret::new("s", &secret)])));
    let mut telling = Command::new("sleep")
        .arg("5")
        .env("KEY", &secret)
        .spawn()
        .unwrap();
    let mut shouting = Command::new("sh")
        .args(["-c", "sleep 5; true", &secret])
        .spawn()
        .unwrap();
    std::thread::sleep(Duration::from_millis(600));
    let (sightings, programs) = watch.end();
    for child in [&mut telling, &mut shouting] {
        child.kill().unwrap();
        child.wait().unwrap();
    }
    let seen = |program: &str, listing: &str| {
        sightings
            .iter()
            .any(|s| s.program == program && s.listing == listing)
    };
    assert!(seen("sleep", "environ"), "{sightings:?}");
    assert!(seen("sh", "cmdline"), "{sightings:?}");
    assert!(programs["sleep"] > 0);
}
