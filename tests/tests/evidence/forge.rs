//! The forger's tools: copies, flipped bits, edited records, Parquet files written anew, and manifests signed again.

use std::{
    fs,
    path::{Path, PathBuf},
    sync::Arc,
};

use arrow_array::RecordBatch;
use base64::{Engine as _, engine::general_purpose::STANDARD};
use parquet::arrow::{ArrowWriter, arrow_reader::ParquetRecordBatchReaderBuilder};
use serde_json::{Value, json};
use soxauto_cloud::signer::{LocalSigner, Signer};
use soxauto_domain::{
    Sha256,
    manifest::{PAYLOAD_TYPE, Statement},
};
use soxauto_evidence::{Unsigned, envelope::Envelope};
use tokio::{runtime::Handle, task::block_in_place};

/// A copy of a folder.
pub(crate) fn copy(from: &Path) -> tempfile::TempDir {
    let to = tempfile::tempdir().unwrap();
    copy_into(from, to.path());
    to
}

pub(crate) fn copy_into(from: &Path, to: &Path) {
    fs::create_dir_all(to).unwrap();
    for entry in fs::read_dir(from).unwrap() {
        let entry = entry.unwrap();
        let target = to.join(entry.file_name());
        if entry.file_type().unwrap().is_dir() {
            copy_into(&entry.path(), &target);
        } else {
            fs::copy(entry.path(), target).unwrap();
        }
    }
}

/// Every file below a folder, relative to it.
pub(crate) fn files(folder: &Path) -> Vec<String> {
    let mut found = Vec::new();
    let mut open = vec![folder.to_owned()];
    while let Some(next) = open.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                open.push(path);
            } else {
                found.push(
                    path.strip_prefix(folder)
                        .unwrap()
                        .to_str()
                        .unwrap()
                        .to_owned(),
                );
            }
        }
    }
    found.sort();
    found
}

/// Flips a bit in the middle of a file.
pub(crate) fn flip(file: &Path) {
    let mut bytes = fs::read(file).unwrap();
    let middle = bytes.len() / 2;
    bytes[middle] ^= 1;
    fs::write(file, bytes).unwrap();
}

/// Edits a JSON file.
pub(crate) fn edit(file: &Path, change: impl FnOnce(&mut Value)) {
    let mut value: Value = serde_json::from_slice(&fs::read(file).unwrap()).unwrap();
    change(&mut value);
    fs::write(file, serde_json::to_vec_pretty(&value).unwrap()).unwrap();
}

fn open(manifest: &Path) -> (Envelope, Value) {
    let envelope: Envelope = serde_json::from_slice(&fs::read(manifest).unwrap()).unwrap();
    let payload = STANDARD.decode(&envelope.payload).unwrap();
    (envelope, serde_json::from_slice(&payload).unwrap())
}

/// Edits a manifest's payload and keeps the old signature.
pub(crate) fn edit_payload(manifest: &Path, change: impl FnOnce(&mut Value)) {
    let (mut envelope, mut payload) = open(manifest);
    change(&mut payload);
    envelope.payload = STANDARD.encode(serde_json::to_vec(&payload).unwrap());
    fs::write(manifest, serde_json::to_vec(&envelope).unwrap()).unwrap();
}

/// Signs a payload as it stands, also one that is no statement.
fn sign(signer: &dyn Signer, payload: &Value) -> Vec<u8> {
    let payload = serde_json::to_vec(payload).unwrap();
    let mut encoded = format!(
        "DSSEv1 {} {PAYLOAD_TYPE} {} ",
        PAYLOAD_TYPE.len(),
        payload.len()
    )
    .into_bytes();
    encoded.extend_from_slice(&payload);
    let digest = *Sha256::of(&encoded).as_bytes();
    let signature =
        block_in_place(|| Handle::current().block_on(signer.sign_digest(digest))).unwrap();
    serde_json::to_vec(&json!({
        "payload": STANDARD.encode(payload),
        "payloadType": PAYLOAD_TYPE,
        "signatures": [{"keyid": signer.key_id(), "sig": STANDARD.encode(signature)}],
    }))
    .unwrap()
}

/// Edits a manifest's payload and signs it again, whatever it says then.
pub(crate) fn resign(signer: &dyn Signer, manifest: &Path, change: impl FnOnce(&mut Value)) {
    let (_, mut payload) = open(manifest);
    change(&mut payload);
    fs::write(manifest, sign(signer, &payload)).unwrap();
}

/// A consistent liar: receipts list their files anew, the manifest names all files anew and is signed by the right key.
pub(crate) fn reseal(signer: &dyn Signer, run: &Path, change: impl FnOnce(&mut Value)) {
    for name in files(run) {
        if let Some(folder) = name.strip_suffix("receipt.json") {
            relist(&run.join(folder));
        }
    }
    let plan = Sha256::of(fs::read(run.join("plan.json")).unwrap());
    resign(signer, &run.join("manifest-1.dsse.json"), |payload| {
        let subjects: Vec<Value> = files(run)
            .into_iter()
            .filter(|name| !name.starts_with("manifest-"))
            .map(|name| {
                let bytes = fs::read(run.join(&name)).unwrap();
                json!({"name": name, "digest": {"sha256": Sha256::of(&bytes)}, "annotations": {"size": bytes.len()}})
            })
            .collect();
        payload["subject"] = subjects.into();
        payload["predicate"]["plan_sha256"] = json!(plan);
        change(payload);
    });
}

/// The receipt lists what lies beside it.
fn relist(attempt: &Path) {
    edit(&attempt.join("receipt.json"), |receipt| {
        let rows: std::collections::BTreeMap<String, Value> = receipt["files"]
            .as_array()
            .unwrap()
            .iter()
            .map(|f| (f["path"].as_str().unwrap().to_owned(), f["rows"].clone()))
            .collect();
        let listed: Vec<Value> = files(attempt)
            .into_iter()
            .filter(|name| !["receipt.json", "load.json"].contains(&name.as_str()))
            .map(|name| {
                let bytes = fs::read(attempt.join(&name)).unwrap();
                let mut file =
                    json!({"path": name, "size": bytes.len(), "sha256": Sha256::of(&bytes)});
                match rows.get(&name) {
                    Some(rows) if !rows.is_null() => file["rows"] = rows.clone(),
                    None => file["rows"] = json!(footer_rows(&attempt.join(&name))),
                    _ => {}
                }
                file
            })
            .collect();
        receipt["files"] = listed.into();
    });
}

fn footer_rows(file: &Path) -> i64 {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
    builder.metadata().file_metadata().num_rows()
}

/// The rows of a Parquet file.
pub(crate) fn rows(file: &Path) -> RecordBatch {
    let builder = ParquetRecordBatchReaderBuilder::try_new(fs::File::open(file).unwrap()).unwrap();
    let rows = builder.metadata().file_metadata().num_rows() as usize;
    let mut batches = builder.with_batch_size(rows.max(1)).build().unwrap();
    let batch = batches.next().unwrap().unwrap();
    assert!(batches.next().is_none());
    batch
}

/// Writes a Parquet file.
pub(crate) fn write(file: &Path, rows: &RecordBatch) {
    let mut writer =
        ArrowWriter::try_new(fs::File::create(file).unwrap(), rows.schema(), None).unwrap();
    writer.write(rows).unwrap();
    writer.close().unwrap();
}

/// Writes a Parquet file anew with a column changed.
pub(crate) fn change_column(
    file: &Path,
    column: &str,
    change: impl FnOnce(&Arc<dyn arrow_array::Array>) -> Arc<dyn arrow_array::Array>,
) {
    let batch = rows(file);
    let index = batch.schema().index_of(column).unwrap();
    let mut columns = batch.columns().to_vec();
    columns[index] = change(&columns[index]);
    write(
        file,
        &RecordBatch::try_new(batch.schema(), columns).unwrap(),
    );
}

/// A signer that nobody knows.
pub(crate) fn stranger() -> LocalSigner {
    LocalSigner::new([7; 32])
}

/// The public key of [`stranger`], in a file.
pub(crate) fn other_key() -> tempfile::NamedTempFile {
    let pem = block_in_place(|| Handle::current().block_on(stranger().public_key_pem())).unwrap();
    let file = tempfile::NamedTempFile::new().unwrap();
    fs::write(file.path(), pem).unwrap();
    file
}

/// The statement of a manifest, signed anew by this product's own code.
pub(crate) fn resign_statement(
    signer: &dyn Signer,
    manifest: &Path,
    change: impl FnOnce(&mut Statement),
) {
    let (_, payload) = open(manifest);
    let mut statement: Statement = serde_json::from_value(payload).unwrap();
    change(&mut statement);
    let unsigned = Unsigned::new(&statement).unwrap();
    let digest = *unsigned.digest().as_bytes();
    let signature =
        block_in_place(|| Handle::current().block_on(signer.sign_digest(digest))).unwrap();
    fs::write(
        manifest,
        unsigned.signed(signer.key_id(), &signature).unwrap(),
    )
    .unwrap();
}

/// Path of an attempt's file in a run.
pub(crate) fn attempt(run: &Path, ipe: &str, file: &str) -> PathBuf {
    run.join(ipe).join("attempt-1").join(file)
}
