//! What the environment of the stack's processes holds: enough to run, nothing of the user's AWS set-up.

use std::collections::BTreeMap;
use std::path::Path;

use serde_json::json;

use crate::error::StackError;
use crate::process::Process;

/// The region of the emulator.
pub(crate) const REGION: &str = "eu-west-1";

/// Variables that a process needs from the user's session; everything else stays out, so that no profile, proxy or
/// certificate setting of the user's reaches the functions.
const INHERITED: [&str; 6] = ["PATH", "HOME", "USER", "LANG", "LC_ALL", "RUST_BACKTRACE"];

/// The environment of the Python processes, and through the emulator of the functions.
pub(crate) fn of_children(project_root: &Path, temporary: &Path) -> BTreeMap<String, String> {
    let mut environment: BTreeMap<String, String> = INHERITED
        .iter()
        .filter_map(|name| Some(((*name).to_owned(), std::env::var(name).ok()?)))
        .collect();
    environment.extend(aws());
    environment.insert("TMPDIR".to_owned(), temporary.display().to_string());
    environment.insert(
        "PYTHONPATH".to_owned(),
        project_root.join("local/python").display().to_string(),
    );
    environment.insert("PYTHONUNBUFFERED".to_owned(), "1".to_owned());
    environment
}

/// What any AWS SDK or tool needs to be content with an emulator, without endpoints.
pub(crate) fn aws() -> Vec<(String, String)> {
    [
        ("AWS_REGION", REGION),
        ("AWS_DEFAULT_REGION", REGION),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_CONFIG_FILE", "/dev/null"),
        ("AWS_SHARED_CREDENTIALS_FILE", "/dev/null"),
        ("AWS_EC2_METADATA_DISABLED", "true"),
    ]
    .map(|(name, value)| (name.to_owned(), value.to_owned()))
    .to_vec()
}

/// Tells the emulator variables that functions started from now on will have.
pub(crate) async fn tell(
    emulator: &mut Process,
    variables: &[(&str, &str)],
) -> Result<(), StackError> {
    let variables: BTreeMap<_, _> = variables.iter().copied().collect();
    let line = json!({ "environment": variables });
    emulator.send_line(&line.to_string()).await
}
