//! Finds Python and makes the stack's virtual environment: once, in the cache, from pinned and hashed requirements.

use std::collections::BTreeMap;
use std::fs;
use std::path::{Path, PathBuf};
use std::time::Duration;

use sha2::{Digest, Sha256};
use tokio::process::Command;

use crate::error::StackError;
use crate::folders::unfinished;
use crate::process::{Process, Program, tail};

const OLDEST: (u32, u32) = (3, 10);
/// In the order of preference: what the user calls Python first.
const COMMANDS: [&str; 7] = [
    "python3",
    "python3.13",
    "python3.12",
    "python3.11",
    "python3.10",
    "python3.14",
    "python",
];
const VENV_LIMIT: Duration = Duration::from_secs(180);
const INSTALL_LIMIT: Duration = Duration::from_secs(900);

/// The Python of the environment for `project_root`'s requirements, made in `cache` when it does not exist yet;
/// `announce_install` is called before that. Two launchers may do this at the same time: the first one done wins.
///
/// # Errors
/// [`StackError`] when there is no Python 3.10 or newer, or the requirements cannot be installed.
pub async fn ensure_environment(
    project_root: &Path,
    cache: &Path,
    python: Option<&Path>,
    offline: bool,
    announce_install: impl FnOnce(),
) -> Result<PathBuf, StackError> {
    let requirements = project_root.join("local/python/requirements.txt");
    let pinned = fs::read(&requirements).map_err(StackError::file("read", &requirements))?;
    let base = find(python).await?;
    let mut key = Sha256::new();
    key.update(&pinned);
    key.update(&base.description);
    let key = hex::encode(&key.finalize()[..8]);
    let environment = cache.join(format!("python-{key}"));
    let ready = environment.join("bin/python");
    if ready.is_file() {
        return Ok(ready);
    }
    let log = cache.join(format!("python-{key}.log"));
    if offline {
        return Err(StackError::Environment {
            what: "finding the Python environment",
            tail: "  it has not been made yet, and --offline was given".to_owned(),
            log,
            remedy: "Run once with a network.",
        });
    }
    announce_install();
    let building = unfinished(cache, &format!("python-{key}"));
    let outcome = build(project_root, &base.command, &building, &requirements, &log).await;
    if outcome.is_err() {
        let _ = fs::remove_dir_all(&building);
        return outcome.map(|()| ready);
    }
    if let Err(error) = fs::rename(&building, &environment) {
        let _ = fs::remove_dir_all(&building);
        if !ready.is_file() {
            return Err(StackError::file("make", &environment)(error));
        }
    }
    let _ = fs::remove_file(&log);
    Ok(ready)
}

async fn build(
    project_root: &Path,
    base: &Path,
    building: &Path,
    requirements: &Path,
    log: &Path,
) -> Result<(), StackError> {
    // The user's whole environment: pip may need its proxy and index settings.
    let mut environment: BTreeMap<String, String> = std::env::vars().collect();
    environment.insert(
        "PYTHONPATH".to_owned(),
        project_root.join("local/python").display().to_string(),
    );
    let mut program = Program {
        name: "python",
        command: base.to_owned(),
        arguments: vec![
            "-m".to_owned(),
            "soxauto_local.leash".to_owned(),
            "venv".to_owned(),
            building.display().to_string(),
        ],
        environment,
        folder: project_root.to_owned(),
        log: log.to_owned(),
    };
    run(
        &program,
        VENV_LIMIT,
        "making a virtual environment",
        VENV_REMEDY,
    )
    .await?;
    program.command = building.join("bin/python");
    program.arguments = [
        "-m",
        "soxauto_local.leash",
        "pip",
        "install",
        "--disable-pip-version-check",
        "--no-input",
        "--quiet",
        // Only what is imported gets compiled, when it is imported.
        "--no-compile",
        "--only-binary",
        ":all:",
        "--require-hashes",
        "--requirement",
    ]
    .map(str::to_owned)
    .to_vec();
    program.arguments.push(requirements.display().to_string());
    run(
        &program,
        INSTALL_LIMIT,
        "installing the Python requirements",
        INSTALL_REMEDY,
    )
    .await
}

const VENV_REMEDY: &str = "On Debian and Ubuntu, install the package python3-venv, or set SOXAUTO_PYTHON to another \
                           Python.";
const INSTALL_REMEDY: &str =
    "The first time needs a network (or a mirror: PIP_INDEX_URL); later times do not.";

async fn run(
    program: &Program,
    limit: Duration,
    what: &'static str,
    remedy: &'static str,
) -> Result<(), StackError> {
    match Process::start(program)?.finish(limit).await {
        Ok(_) => Ok(()),
        Err(StackError::Ended { log, tail, .. }) => Err(StackError::Environment {
            what,
            log,
            tail,
            remedy,
        }),
        Err(StackError::Silent { log, waited, .. }) => Err(StackError::Environment {
            what,
            tail: format!("{}\n  (stopped after {} s)", tail(&log), waited.as_secs()),
            log,
            remedy,
        }),
        Err(other) => Err(other),
    }
}

/// A Python that is new enough.
struct Base {
    command: PathBuf,
    /// Version and place: an environment belongs to the Python that made it.
    description: String,
}

async fn find(chosen: Option<&Path>) -> Result<Base, StackError> {
    let from_user = chosen
        .map(Path::to_owned)
        .or_else(|| std::env::var_os("SOXAUTO_PYTHON").map(PathBuf::from));
    let candidates: Vec<PathBuf> = match from_user {
        Some(path) => vec![path],
        None => COMMANDS.iter().map(PathBuf::from).collect(),
    };
    let mut too_old: Option<StackError> = None;
    for command in &candidates {
        let Some((version, description)) = ask(command).await else {
            continue;
        };
        if version >= OLDEST {
            return Ok(Base {
                command: command.clone(),
                description,
            });
        }
        too_old.get_or_insert_with(|| StackError::OldPython {
            command: command.display().to_string(),
            version: format!("{}.{}", version.0, version.1),
        });
    }
    Err(too_old.unwrap_or_else(|| StackError::NoPython {
        tried: candidates
            .iter()
            .map(|command| command.display().to_string())
            .collect::<Vec<_>>()
            .join(", "),
    }))
}

/// Version and description of a Python; none when it does not run.
async fn ask(command: &Path) -> Option<((u32, u32), String)> {
    let question = "import sys; print(sys.version_info[0], sys.version_info[1], sys.version.split()[0], sys.executable)";
    let asking = Command::new(command)
        .args(["-c", question])
        .kill_on_drop(true)
        .output();
    let answer = tokio::time::timeout(Duration::from_secs(20), asking)
        .await
        .ok()?
        .ok()?;
    if !answer.status.success() {
        return None;
    }
    let text = String::from_utf8(answer.stdout).ok()?;
    let mut words = text.split_whitespace();
    let major = words.next()?.parse().ok()?;
    let minor = words.next()?.parse().ok()?;
    Some(((major, minor), text.trim().to_owned()))
}

#[cfg(test)]
mod tests {
    use std::os::unix::fs::PermissionsExt;

    use super::*;

    fn script(folder: &Path, text: &str) -> PathBuf {
        let path = folder.join("python");
        fs::write(&path, format!("#!/bin/sh\n{text}\n")).unwrap();
        fs::set_permissions(&path, fs::Permissions::from_mode(0o755)).unwrap();
        path
    }

    #[tokio::test]
    async fn an_old_python_is_named() {
        let folder = tempfile::tempdir().unwrap();
        let python = script(folder.path(), "echo 3 9 3.9.2 /usr/bin/python3.9");
        let error = find(Some(&python)).await.err().unwrap();
        assert!(
            matches!(&error, StackError::OldPython { version, .. } if version == "3.9"),
            "{error}"
        );
    }

    #[tokio::test]
    async fn a_missing_python_is_named() {
        let error = find(Some(Path::new("/nonexistent/python")))
            .await
            .err()
            .unwrap();
        assert!(error.to_string().contains("/nonexistent/python"), "{error}");
    }

    #[tokio::test]
    async fn a_failing_installation_leaves_nothing_and_says_why() {
        let project = tempfile::tempdir().unwrap();
        let python = project.path().join("local/python");
        fs::create_dir_all(&python).unwrap();
        fs::write(python.join("requirements.txt"), "x==1\n").unwrap();
        let cache = project.path().join("cache");
        fs::create_dir(&cache).unwrap();
        let base = script(
            project.path(),
            r#"[ "$1" = -c ] && { echo 3 12 3.12.0 /x; exit 0; }; echo no ensurepip here >&2; exit 1"#,
        );
        let error = ensure_environment(project.path(), &cache, Some(&base), false, || ())
            .await
            .unwrap_err()
            .to_string();
        assert!(
            error.contains("no ensurepip here") && error.contains("python3-venv"),
            "{error}"
        );
        let left: Vec<_> = fs::read_dir(&cache)
            .unwrap()
            .flatten()
            .map(|e| e.path())
            .collect();
        assert!(
            left.iter()
                .all(|path| path.extension().is_some_and(|e| e == "log")),
            "{left:?}"
        );
    }

    #[tokio::test]
    async fn offline_never_installs() {
        let project = tempfile::tempdir().unwrap();
        let python = project.path().join("local/python");
        fs::create_dir_all(&python).unwrap();
        fs::write(python.join("requirements.txt"), "x==1\n").unwrap();
        let base = script(project.path(), "echo 3 12 3.12.0 /x");
        let error = ensure_environment(project.path(), project.path(), Some(&base), true, || {
            panic!("tried to install")
        })
        .await
        .unwrap_err();
        assert!(error.to_string().contains("--offline"), "{error}");
    }
}
