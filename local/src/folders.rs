//! Where the launcher keeps things: caches shared by all stacks, one folder per stack for the rest.

use std::fs::{self, File};
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU32, Ordering};

use rustix::process::{Pid, test_kill_process};

use crate::error::StackError;

/// How many folders of ended stacks are kept.
const KEPT_STACKS: usize = 5;

/// The folder above which the running program's sources were, or that contains the current folder, with
/// `template.yaml` and `local/python` in it.
///
/// # Errors
/// [`StackError::NoProject`] when there is none.
pub fn find_project_root() -> Result<PathBuf, StackError> {
    let here = std::env::current_dir().map_err(StackError::file("find", Path::new(".")))?;
    let built_from = Path::new(env!("CARGO_MANIFEST_DIR"));
    here.ancestors()
        .chain(built_from.ancestors())
        .find(|folder| {
            folder.join("template.yaml").is_file() && folder.join("local/python").is_dir()
        })
        .map(Path::to_owned)
        .ok_or(StackError::NoProject(here))
}

/// The folders of one stack. Others may run beside it, each in its own.
#[derive(Debug)]
pub struct Folders {
    /// What all stacks share: Python environments, NAV samples.
    pub cache: PathBuf,
    /// This stack's own folder.
    pub stack: PathBuf,
    /// One log file per process.
    pub logs: PathBuf,
    /// Temporary files of this stack's processes.
    pub temporary: PathBuf,
    /// The DuckDB file with the loaded tables.
    pub warehouse: PathBuf,
    // Held while the stack lives, so that no other launcher takes the folder for an ended stack's.
    _lock: File,
}

impl Folders {
    /// Makes the folders of a new stack and forgets the oldest ended ones.
    pub(crate) fn create(state_dir: &Path) -> Result<Self, StackError> {
        let cache = state_dir.join("cache");
        create(&cache)?;
        remove_unfinished(&cache);
        let stacks = state_dir.join("stacks");
        create(&stacks)?;
        prune(&stacks);
        let name = format!(
            "{}-{}",
            jiff::Zoned::now().strftime("%Y%m%dT%H%M%S"),
            std::process::id()
        );
        let stack = unused(&stacks, &name);
        let logs = stack.join("logs");
        let temporary = stack.join("tmp");
        create(&logs)?;
        create(&temporary)?;
        let lock_path = stack.join("lock");
        let lock = File::create(&lock_path).map_err(StackError::file("create", &lock_path))?;
        lock.lock().map_err(StackError::file("lock", &lock_path))?;
        Ok(Self {
            cache,
            warehouse: stack.join("warehouse.duckdb"),
            stack,
            logs,
            temporary,
            _lock: lock,
        })
    }
}

fn create(folder: &Path) -> Result<(), StackError> {
    fs::create_dir_all(folder).map_err(StackError::file("create", folder))
}

/// Where `name` of the cache is made before it is renamed: no other stack, of this process or another, uses it.
pub(crate) fn unfinished(cache: &Path, name: &str) -> PathBuf {
    static COUNT: AtomicU32 = AtomicU32::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    cache.join(format!(".{name}-{count}-{}", std::process::id()))
}

/// Removes what launchers that are gone left half made: names that begin with a dot and end with a process id.
fn remove_unfinished(cache: &Path) {
    let Ok(entries) = fs::read_dir(cache) else {
        return;
    };
    for entry in entries.flatten() {
        let name = entry.file_name().to_string_lossy().into_owned();
        let maker = name
            .strip_prefix('.')
            .and_then(|rest| rest.rsplit_once('-'))
            .and_then(|(_, id)| id.parse().ok())
            .and_then(Pid::from_raw);
        if maker.is_some_and(|maker| test_kill_process(maker).is_err()) {
            let _ = fs::remove_dir_all(entry.path());
        }
    }
}

/// Two stacks of one process may start in the same second.
fn unused(stacks: &Path, name: &str) -> PathBuf {
    (0..)
        .map(|count| match count {
            0 => stacks.join(name),
            _ => stacks.join(format!("{name}-{count}")),
        })
        .find(|folder| fs::create_dir(folder).is_ok() || !folder.exists())
        .unwrap_or_else(|| stacks.join(name))
}

/// Removes the temporary files of ended stacks, and the oldest of them altogether. Best effort: an old folder harms nobody.
fn prune(stacks: &Path) {
    let mut ended = stack_folders(stacks);
    ended.retain(|folder| has_ended(folder));
    ended.sort();
    // A stack that was killed could not do this itself.
    for folder in &ended {
        let _ = fs::remove_dir_all(folder.join("tmp"));
    }
    let excess = ended.len().saturating_sub(KEPT_STACKS);
    for folder in ended.iter().take(excess) {
        let _ = fs::remove_dir_all(folder);
    }
}

/// The folders of all stacks, of living and of ended ones.
pub(crate) fn stack_folders(stacks: &Path) -> Vec<PathBuf> {
    let entries = fs::read_dir(stacks).into_iter().flatten().flatten();
    entries.map(|entry| entry.path()).collect()
}

/// Whether the folder's launcher is gone.
pub(crate) fn has_ended(folder: &Path) -> bool {
    // Without a lock file the stack is just being made.
    File::open(folder.join("lock")).is_ok_and(|lock| lock.try_lock().is_ok())
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_living_stack_is_never_pruned() {
        let state = tempfile::tempdir().unwrap();
        let living = Folders::create(state.path()).unwrap();
        for _ in 0..KEPT_STACKS + 3 {
            drop(Folders::create(state.path()).unwrap());
        }
        assert!(living.stack.is_dir());
        let count = fs::read_dir(state.path().join("stacks")).unwrap().count();
        assert!(count <= KEPT_STACKS + 2, "{count} folders kept");
    }

    #[test]
    fn two_stacks_have_different_folders() {
        let state = tempfile::tempdir().unwrap();
        let one = Folders::create(state.path()).unwrap();
        let two = Folders::create(state.path()).unwrap();
        assert_ne!(one.stack, two.stack);
        assert_eq!(one.cache, two.cache);
    }

    #[test]
    fn what_a_dead_launcher_left_half_made_is_removed() {
        let state = tempfile::tempdir().unwrap();
        let cache = state.path().join("cache");
        let of_the_dead = cache.join(".nav-0123-2147483646");
        let of_the_living = cache.join(format!(".nav-0123-{}", std::process::id()));
        let finished = cache.join("nav-0123");
        for folder in [&of_the_dead, &of_the_living, &finished] {
            fs::create_dir_all(folder).unwrap();
        }
        drop(Folders::create(state.path()).unwrap());
        assert!(!of_the_dead.exists() && of_the_living.exists() && finished.exists());
    }

    #[test]
    fn the_project_is_found_from_a_test() {
        assert!(find_project_root().unwrap().join("template.yaml").is_file());
    }
}
