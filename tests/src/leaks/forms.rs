//! What a secret looks like once it was encoded by whatever it passed through.

use base64::{
    Engine as _,
    engine::general_purpose::{STANDARD_NO_PAD, URL_SAFE_NO_PAD},
};
use percent_encoding::{AsciiSet, NON_ALPHANUMERIC, utf8_percent_encode};

/// How a secret was written.
#[derive(Debug, Clone, Copy, PartialEq, Eq, PartialOrd, Ord)]
pub enum Form {
    /// As it is.
    Plain,
    /// Inside a JSON string, also of JSON in JSON.
    Json,
    /// In a URL.
    Percent,
    /// In XML or HTML.
    Html,
    /// Hexadecimal digits.
    Hex,
    /// Base64, wherever its three bytes begin.
    Base64,
    /// UTF-16, either way round, as SQL Server and Windows write.
    Utf16,
    /// As LOGIN7 hides a password.
    Login7,
    /// A part of it: letters and digits between other characters, such as is left of a password that was cut at one.
    Part,
}

/// Letters and digits in succession that are enough to tell a secret.
const PART: usize = 8;
/// What most encoders leave as it is.
const UNRESERVED: &AsciiSet = &NON_ALPHANUMERIC
    .remove(b'-')
    .remove(b'_')
    .remove(b'.')
    .remove(b'~');

/// The secret in every form.
pub(super) fn of(secret: &str) -> Vec<(Form, Vec<u8>)> {
    let mut found = vec![(Form::Plain, secret.as_bytes().to_vec())];
    let mut add = |form, bytes: Vec<u8>| found.push((form, bytes));
    let once = json(secret);
    add(Form::Json, json(&once).into_bytes());
    add(Form::Json, once.into_bytes());
    for set in [NON_ALPHANUMERIC, UNRESERVED] {
        let upper = utf8_percent_encode(secret, set).to_string();
        add(Form::Percent, lower_escapes(&upper).into_bytes());
        add(Form::Percent, upper.replace("%20", "+").into_bytes());
        add(Form::Percent, upper.into_bytes());
    }
    for apostrophe in ["&#39;", "&#x27;", "&apos;"] {
        let html = secret
            .replace('&', "&amp;")
            .replace('<', "&lt;")
            .replace('>', "&gt;")
            .replace('"', "&quot;")
            .replace('\'', apostrophe);
        add(Form::Html, html.into_bytes());
    }
    // Encodings of bytes: of the whole, and of parts, around which anything else may stand.
    let parts: Vec<&str> = secret
        .split(|c: char| !c.is_ascii_alphanumeric())
        .filter(|part| part.len() >= PART)
        .collect();
    for text in parts.iter().copied().chain([secret]) {
        let little: Vec<u8> = text.encode_utf16().flat_map(u16::to_le_bytes).collect();
        let big: Vec<u8> = text.encode_utf16().flat_map(u16::to_be_bytes).collect();
        for bytes in [text.as_bytes(), &little] {
            let hex = hex(bytes);
            add(Form::Hex, hex.to_uppercase().into_bytes());
            add(Form::Hex, hex.into_bytes());
            for encoded in base64(bytes) {
                add(Form::Base64, encoded.into_bytes());
            }
        }
        let hidden = |byte: &u8| byte.rotate_left(4) ^ 0xA5;
        add(Form::Login7, little.iter().map(hidden).collect());
        add(Form::Utf16, little);
        add(Form::Utf16, big);
    }
    for part in parts {
        add(Form::Part, part.as_bytes()[..PART].to_vec());
        add(Form::Part, part.as_bytes()[part.len() - PART..].to_vec());
    }
    found
}

fn json(text: &str) -> String {
    let quoted = serde_json::Value::from(text).to_string();
    quoted[1..quoted.len() - 1].to_owned()
}

/// `%2F` as `%2f`.
fn lower_escapes(text: &str) -> String {
    let mut out = String::with_capacity(text.len());
    let mut escape = 0;
    for c in text.chars() {
        out.push(if escape > 0 {
            c.to_ascii_lowercase()
        } else {
            c
        });
        escape = if c == '%' {
            2
        } else {
            usize::saturating_sub(escape, 1)
        };
    }
    out
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

/// The characters that are the same whatever stands before and behind, for each of the three places at which the bytes
/// can begin, in both alphabets.
fn base64(bytes: &[u8]) -> Vec<String> {
    let mut found = Vec::new();
    for before in 0..3 {
        let shifted = [vec![0; before], bytes.to_vec()].concat();
        let (from, upto) = ((before * 8).div_ceil(6), shifted.len() * 8 / 6);
        for encoded in [
            STANDARD_NO_PAD.encode(&shifted),
            URL_SAFE_NO_PAD.encode(&shifted),
        ] {
            found.push(encoded[from..upto].to_owned());
        }
    }
    found
}
