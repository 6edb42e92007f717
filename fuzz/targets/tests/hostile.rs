//! The short run of every target: the corpus, and mutations of it that are the same each time.
//!
//! `cargo fuzz` looks further, guided by coverage (`docs/FUZZING.md`). What it finds is put into the corpus, so that it is
//! tried here for ever.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    fs,
    path::{Path, PathBuf},
    sync::mpsc,
    thread,
    time::{Duration, Instant},
};

use rand::{RngExt as _, SeedableRng as _, rngs::StdRng};
use soxauto_fuzz_targets::{MOST_BYTES, TARGETS, peak_bytes};

/// How long one input may take. The machine may be busy.
const DEADLINE: Duration = Duration::from_secs(60);

fn corpus(name: &str) -> Vec<(PathBuf, Vec<u8>)> {
    let folder = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../corpus")
        .join(name);
    let mut files: Vec<PathBuf> = fs::read_dir(folder)
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .collect();
    files.sort();
    files
        .into_iter()
        .map(|path| {
            let bytes = fs::read(&path).unwrap();
            (path, bytes)
        })
        .collect()
}

/// The words that the format of a target is made of, as libFuzzer's dictionaries write them.
fn words(name: &str) -> Vec<Vec<u8>> {
    let path = Path::new(env!("CARGO_MANIFEST_DIR"))
        .join("../dictionaries")
        .join(format!("{name}.dict"));
    let text = fs::read_to_string(path).unwrap_or_default();
    text.lines()
        .filter_map(|line| line.strip_prefix('"')?.strip_suffix('"'))
        .map(unescaped)
        .collect()
}

fn unescaped(word: &str) -> Vec<u8> {
    let mut bytes = Vec::new();
    let mut rest = word.as_bytes();
    while let Some((first, after)) = rest.split_first() {
        rest = after;
        match (first, rest) {
            (b'\\', [b'x', high, low, after @ ..]) => {
                let hex = [*high, *low];
                let hex = std::str::from_utf8(&hex).unwrap();
                bytes.push(u8::from_str_radix(hex, 16).unwrap());
                rest = after;
            }
            (b'\\', [escaped, after @ ..]) => {
                bytes.push(*escaped);
                rest = after;
            }
            (byte, _) => bytes.push(*byte),
        }
    }
    bytes
}

/// Changes a few places of `bytes`.
fn mutate(random: &mut StdRng, bytes: &mut Vec<u8>, other: &[u8], words: &[Vec<u8>]) {
    for _ in 0..random.random_range(1..5) {
        let at = random.random_range(0..=bytes.len());
        let length = random.random_range(0..64).min(bytes.len() - at);
        match random.random_range(0..9) {
            0 => bytes.truncate(at),
            1 => drop(bytes.drain(at..at + length)),
            2 => {
                let again = bytes[at..at + length].to_vec();
                let times = random.random_range(1..20);
                bytes.splice(at..at, again.repeat(times));
            }
            3 if !other.is_empty() => {
                let from = random.random_range(0..other.len());
                let until = (from + random.random_range(0..512)).min(other.len());
                bytes.splice(at..at + length, other[from..until].iter().copied());
            }
            4 if !words.is_empty() => {
                let word = &words[random.random_range(0..words.len())];
                let times = if random.random_range(0..20) == 0 {
                    3_000
                } else {
                    1
                };
                bytes.splice(at..at, word.repeat(times));
            }
            5 => {
                let number: [u8; 4] = match random.random_range(0..4) {
                    0 => [0xff; 4],
                    1 => [0xff, 0xff, 0xff, 0x7f],
                    2 => [0; 4],
                    _ => random.random::<u32>().to_le_bytes(),
                };
                for (place, byte) in bytes.iter_mut().skip(at).zip(number) {
                    *place = byte;
                }
            }
            _ => {
                if let Some(byte) = bytes.get_mut(at) {
                    *byte ^= 1 << random.random_range(0..8);
                }
            }
        }
    }
}

/// How long a target is tried altogether, when more than the short run is wanted: `SOXAUTO_FUZZ_SECONDS`.
fn longer() -> Option<Duration> {
    let seconds = std::env::var("SOXAUTO_FUZZ_SECONDS").ok()?;
    Some(Duration::from_secs(seconds.parse().unwrap()))
}

/// Tries inputs in a thread of its own and waits for each.
fn all(name: &'static str) {
    let target = TARGETS.iter().find(|target| target.name == name).unwrap();
    let seeds = corpus(name);
    assert!(!seeds.is_empty(), "{name} has no corpus");
    let words = words(name);
    let (tell, told) = mpsc::channel::<(String, Vec<u8>)>();
    let (done, ended) = mpsc::channel();
    let run = target.run;
    thread::spawn(move || {
        for (what, input) in told {
            let broken = std::panic::catch_unwind(|| run(&input)).is_err();
            if done.send((what, broken)).is_err() {
                return;
            }
        }
    });
    let try_one = |what: String, input: Vec<u8>| {
        let kept = input.clone();
        tell.send((what.clone(), input)).unwrap();
        let keep = || {
            let path = std::env::temp_dir().join(format!("soxauto-{name}.input"));
            fs::write(&path, &kept).unwrap();
            format!("{name}, {what}: kept as {}", path.display())
        };
        match ended.recv_timeout(DEADLINE) {
            Ok((_, false)) => {}
            Ok((_, true)) => panic!("{} broke it", keep()),
            Err(_) => panic!("{} did not come back within {DEADLINE:?}", keep()),
        }
    };
    for (path, bytes) in &seeds {
        try_one(path.display().to_string(), bytes.clone());
    }
    let mutations = |seed: u64, count: u32, until: Option<Instant>| {
        let mut random = StdRng::seed_from_u64(seed);
        for number in 0..count {
            if until.is_some_and(|until| Instant::now() > until) {
                return number;
            }
            let mut bytes = seeds[random.random_range(0..seeds.len())].1.clone();
            let other = &seeds[random.random_range(0..seeds.len())].1;
            mutate(&mut random, &mut bytes, other, &words);
            try_one(format!("mutation {number} of seed {seed}"), bytes);
        }
        count
    };
    let started = Instant::now();
    let mut tried = mutations(20_240_501, target.mutations, None);
    if let Some(longer) = longer() {
        let seed = rand::random();
        tried += mutations(seed, u32::MAX, Some(started + longer));
    }
    let peak = peak_bytes();
    eprintln!(
        "{name}: {} seeds, {tried} mutations in {:?}, at most {peak} bytes",
        seeds.len(),
        started.elapsed()
    );
    assert!(peak <= MOST_BYTES);
}

#[test]
fn connection() {
    all("connection");
}

#[test]
fn catalog() {
    all("catalog");
}

#[test]
fn documents() {
    all("documents");
}

#[test]
fn events() {
    all("events");
}

#[test]
fn envelope() {
    all("envelope");
}

#[test]
fn tds() {
    all("tds");
}

#[test]
fn parquet() {
    all("parquet");
}
