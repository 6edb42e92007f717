//! A review on the deployed template: refused to the preparer, signed by somebody else, believed by the verifier.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    io::{Read as _, Write as _},
    net::TcpStream,
    path::Path,
};

use bytes::Bytes;
use serde_json::{Value, json};
use soxauto_cloud::signer::{KmsSigner, Signer as _};
use soxauto_domain::review::Review;
use soxauto_e2e::Laptop;
use soxauto_evidence::{Unsigned, envelope};

const RUN: &str = "C-PG-1/2024-05-01/r1";

/// The credentials of a session in the reviewers' role, as environment variables.
fn reviewer(laptop: &Laptop, session: &str) -> Vec<(&'static str, String)> {
    let address = laptop.stack.endpoints().aws.replace("http://", "");
    let body = format!(
        "Action=AssumeRole&Version=2011-06-15&RoleArn=arn:aws:iam::000000000000:role/reviewers&RoleSessionName={session}"
    );
    let mut stream = TcpStream::connect(address.trim_end_matches('/')).unwrap();
    write!(
        stream,
        "POST / HTTP/1.1\r\nHost: sts.eu-west-1.amazonaws.com\r\nConnection: close\r\n\
         Authorization: AWS4-HMAC-SHA256 Credential=test/20240502/eu-west-1/sts/aws4_request, SignedHeaders=host, Signature=0\r\n\
         Content-Type: application/x-www-form-urlencoded\r\nContent-Length: {}\r\n\r\n{body}",
        body.len()
    )
    .unwrap();
    let mut answer = String::new();
    stream.read_to_string(&mut answer).unwrap();
    let tag = |name: &str| {
        let after = answer.split_once(&format!("<{name}>")).expect(&answer).1;
        after.split_once('<').unwrap().0.to_owned()
    };
    vec![
        ("AWS_ACCESS_KEY_ID", tag("AccessKeyId")),
        ("AWS_SECRET_ACCESS_KEY", tag("SecretAccessKey")),
        ("AWS_SESSION_TOKEN", tag("SessionToken")),
    ]
}

/// The verifier's answer about the run in the bucket: exit code, and the findings about reviews.
async fn verified(laptop: &Laptop, keys: &Path, options: &[&str]) -> (i32, Value) {
    let outputs = laptop.stack.outputs();
    let place = format!(
        "s3://{}/{}/{RUN}",
        outputs.evidence_bucket_name, outputs.evidence_prefix
    );
    let key = |name: &str| keys.join(name).display().to_string();
    let (manifests, reviews) = (key("signing-key.pem"), key("review-key.pem"));
    let arguments = [
        &["verify", &place, "--public-key", &manifests],
        &["--review-key", &reviews, "--format", "json"],
        options,
    ];
    let (code, said) = laptop.run_tool(&arguments.concat(), &[]).await;
    let checks = said["runs"][0]["checks"].as_array().unwrap();
    let review = checks.iter().find(|c| c["check"] == "review").unwrap();
    (code, review.clone())
}

#[tokio::test(flavor = "multi_thread")]
async fn a_manifest_is_final_when_somebody_else_says_so() {
    let laptop = Laptop::start().await;
    let keys = tempfile::tempdir().unwrap();
    let outputs = laptop.stack.outputs();
    let signer = |arn: &str| KmsSigner::new(laptop.clients.kms.clone(), arn);
    let manifests = signer(&outputs.signing_key_arn);
    let reviews = signer(&outputs.review_signing_key_arn);
    for (name, key) in [
        ("signing-key.pem", &manifests),
        ("review-key.pem", &reviews),
    ] {
        fs::write(keys.path().join(name), key.public_key_pem().await.unwrap()).unwrap();
    }
    let (code, _) = laptop
        .operate(&["run", "--cutoff", "2024-05-01", "--ipe", "CR_05", "--wait"])
        .await;
    assert_eq!(code, 0);

    // Nobody has reviewed it: that is no failure, unless a review is required.
    let (code, review) = verified(&laptop, keys.path(), &[]).await;
    assert_eq!((code, &review["status"]), (0, &json!("not_performed")));
    let (code, review) = verified(&laptop, keys.path(), &["--require-review"]).await;
    assert_eq!((code, &review["status"]), (5, &json!("failed")), "{review}");

    // Whoever started the run prepared it.
    let approve = [
        "review",
        "--run",
        RUN,
        "--decision",
        "approve",
        "--comment",
        "read",
    ];
    let (code, _) = laptop.operate(&approve).await;
    assert_eq!(code, 1);
    let (code, shown) = laptop.operate(&["review", "--run", RUN, "--list"]).await;
    assert_eq!((code, &shown["standing"]), (4, &json!("draft")));

    // Somebody else approves.
    let diop = reviewer(&laptop, "a.diop");
    let (code, shown) = laptop.operate_as(&approve, &diop).await;
    assert_eq!((code, &shown["standing"]), (0, &json!("final")), "{shown}");
    let who = shown["reviews"][0]["reviewer"].as_str().unwrap();
    assert!(who.ends_with("assumed-role/reviewers/a.diop"), "{who}");
    let (code, review) = verified(&laptop, keys.path(), &["--require-review"]).await;
    assert_eq!((code, &review["status"]), (0, &json!("holds")), "{review}");

    // A review that the manifests' key signs, in the reviewer's name, is not believed.
    let layout = laptop.reader.layout();
    let run = RUN.parse().unwrap();
    let first = laptop
        .evidence
        .get(&layout.review(&run, 1, 1))
        .await
        .unwrap();
    let pem = reviews.public_key_pem().await.unwrap();
    let mut forged = envelope::verify_as::<Review>(&first.bytes, &pem).unwrap();
    forged.predicate.number = 2;
    let unsigned = Unsigned::new(&forged).unwrap();
    let digest = *unsigned.digest().as_bytes();
    let signature = manifests.sign_digest(digest).await.unwrap();
    let bytes = unsigned.signed(manifests.key_id(), &signature).unwrap();
    let key = layout.review(&run, 1, 2);
    laptop
        .evidence
        .create(&key, Bytes::from(bytes), "application/json")
        .await
        .unwrap();
    let (code, review) = verified(&laptop, keys.path(), &[]).await;
    assert_eq!((code, &review["status"]), (5, &json!("failed")), "{review}");
    assert!(
        review.to_string().contains("review-1-2.dsse.json"),
        "{review}"
    );
    laptop.stack.stop().await;
}
