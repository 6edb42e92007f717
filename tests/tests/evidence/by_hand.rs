//! The recipe of `docs/EVIDENCE.md` with sha256sum, jq, base64 and openssl alone: taken from the document, run over real
//! evidence, and over evidence that was tampered with.

use std::{
    fs,
    path::Path,
    process::{Command, Output},
};

use crate::{
    control::{Control, LAST},
    forge,
};

/// The block that follows this line of the document.
const MARK: &str = "<!-- verify-by-hand -->";

fn recipe() -> String {
    let document =
        fs::read_to_string(Path::new(env!("CARGO_MANIFEST_DIR")).join("../docs/EVIDENCE.md"))
            .unwrap();
    let after = document.split_once(MARK).expect("the mark").1;
    let block = after.split_once("```sh\n").expect("a block").1;
    block.split_once("```").unwrap().0.to_owned()
}

fn run(recipe: &str, folder: &Path, key: &Path) -> Output {
    Command::new("bash")
        .args(["-c", recipe])
        .current_dir(folder)
        .env("KEY", key)
        .env("MANIFEST", "manifest-1.dsse.json")
        .env("RUN", LAST)
        .output()
        .unwrap()
}

pub(crate) fn the_documents_recipe_agrees(control: &Control) {
    for tool in ["jq", "openssl", "sha256sum", "base64"] {
        assert!(
            Command::new(tool).arg("--version").output().is_ok()
                || Command::new(tool).arg("version").output().is_ok(),
            "{tool} is not installed: apt-get install jq openssl coreutils"
        );
    }
    let recipe = recipe();
    let copy = forge::copy(&control.evidence);
    let folder = copy.path().join(LAST);
    let good = run(&recipe, &folder, &control.key_file);
    let text = String::from_utf8_lossy(&good.stdout).into_owned();
    assert!(
        good.status.success() && text.contains("Verified OK"),
        "{text}{}",
        String::from_utf8_lossy(&good.stderr)
    );

    let bad = |what: &str, change: &dyn Fn(&Path)| {
        let copy = forge::copy(&control.evidence);
        let folder = copy.path().join(LAST);
        change(&folder);
        let output = run(&recipe, &folder, &control.key_file);
        assert!(
            !output.status.success(),
            "{what}: {}",
            String::from_utf8_lossy(&output.stdout)
        );
    };
    bad("a bit", &|folder| forge::flip(&folder.join("plan.json")));
    bad("a file more", &|folder| {
        fs::write(folder.join("note.txt"), "x").unwrap()
    });
    bad("a file less", &|folder| {
        fs::remove_file(folder.join("CR_05/attempt-1/log.jsonl")).unwrap();
    });
    bad("a manifest where none belongs", &|folder| {
        fs::copy(
            folder.join("manifest-1.dsse.json"),
            folder.join("CR_05/manifest-1.dsse.json"),
        )
        .unwrap();
    });
    bad("a review that is none", &|folder| {
        fs::write(folder.join("review-final.dsse.json"), "x").unwrap();
    });
    bad("the evidence of another run", &|folder| {
        let other = folder.parent().unwrap().join("r1");
        fs::remove_dir_all(folder).unwrap();
        fs::rename(other, folder).unwrap();
    });
    bad("a payload", &|folder| {
        forge::edit_payload(&folder.join("manifest-1.dsse.json"), |p| {
            p["predicate"]["state"] = "rejected".into();
        });
    });
    let other = forge::other_key();
    let stranger = run(&recipe, &folder, other.path());
    assert!(!stranger.status.success());
}
