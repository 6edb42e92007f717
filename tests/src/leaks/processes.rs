//! Process listings, watched while something runs: command lines and environments.

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    sync::{
        Arc,
        atomic::{AtomicBool, Ordering},
    },
    thread::{self, JoinHandle},
    time::Duration,
};

use super::{Scanner, What};

/// Between two looks.
const PAUSE: Duration = Duration::from_millis(40);

/// A secret in a listing.
#[derive(Debug, Clone, PartialEq, Eq, PartialOrd, Ord)]
pub struct Sighting {
    /// The process's name, as the kernel has it.
    pub program: String,
    /// `cmdline` or `environ`.
    pub listing: &'static str,
    /// What is there.
    pub what: What,
}

/// The watch. It looks at every process that it may look at, of whomever.
pub struct Processes {
    stop: Arc<AtomicBool>,
    watch: JoinHandle<(BTreeSet<Sighting>, BTreeMap<String, usize>)>,
}

impl Processes {
    /// Begins.
    #[must_use]
    pub fn watch(scanner: Arc<Scanner>) -> Self {
        let stop = Arc::new(AtomicBool::new(false));
        let stopped = Arc::clone(&stop);
        let watch = thread::spawn(move || {
            let mut seen = BTreeSet::new();
            let mut sightings = BTreeSet::new();
            let mut programs = BTreeMap::new();
            while !stopped.load(Ordering::Relaxed) {
                look(&scanner, &mut seen, &mut sightings, &mut programs);
                thread::sleep(PAUSE);
            }
            (sightings, programs)
        });
        Self { stop, watch }
    }

    /// Ends, and says what was seen, and how many listings of each program were looked at.
    ///
    /// # Panics
    /// When the watch did.
    #[must_use]
    pub fn end(self) -> (BTreeSet<Sighting>, BTreeMap<String, usize>) {
        self.stop.store(true, Ordering::Relaxed);
        self.watch.join().unwrap()
    }
}

fn look(
    scanner: &Scanner,
    seen: &mut BTreeSet<(u32, &'static str, Vec<u8>)>,
    sightings: &mut BTreeSet<Sighting>,
    programs: &mut BTreeMap<String, usize>,
) {
    let entries = fs::read_dir("/proc").into_iter().flatten().flatten();
    for pid in entries.filter_map(|e| e.file_name().to_str()?.parse::<u32>().ok()) {
        for listing in ["cmdline", "environ"] {
            // Of a process that has ended meanwhile, or of somebody else's, nothing can be read.
            let Ok(bytes) = fs::read(format!("/proc/{pid}/{listing}")) else {
                continue;
            };
            if bytes.is_empty() || !seen.insert((pid, listing, bytes.clone())) {
                continue;
            }
            let program = fs::read_to_string(format!("/proc/{pid}/comm")).unwrap_or_default();
            let program = program.trim().to_owned();
            *programs.entry(program.clone()).or_default() += 1;
            for what in scanner.scan(&bytes) {
                sightings.insert(Sighting {
                    program: program.clone(),
                    listing,
                    what,
                });
            }
        }
    }
}
