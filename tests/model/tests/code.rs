//! The model's steps stand in the code under the names and in the order that the model has them.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::path::Path;

use soxauto_model::places::PLACES;

#[test]
fn each_step_stands_in_the_code_in_its_order() {
    let root = Path::new(env!("CARGO_MANIFEST_DIR")).join("../..");
    for place in PLACES {
        let text = std::fs::read_to_string(root.join(place.file)).unwrap();
        let name = format!("fn {}", place.function);
        let begin = text
            .match_indices(&name)
            .map(|(at, _)| at)
            // A function of the file, and not a method.
            .filter(|at| {
                let line = &text[text[..*at].rfind('\n').map_or(0, |end| end + 1)..];
                !line.starts_with(' ')
            })
            .find(|at| text[at + name.len()..].starts_with(['(', '<']))
            .unwrap_or_else(|| panic!("{} has no {name}", place.file));
        let body = &text[begin + name.len()..];
        let body = &body[..body.find("\n}").unwrap()];
        let mut from = 0;
        for (step, line) in place.steps {
            let found = body[from..].find(line);
            let at = found.unwrap_or_else(|| {
                panic!(
                    "{}: {name} has no {line:?} for {step} after the step before it",
                    place.file
                )
            });
            from += at + line.len();
        }
    }
}

#[test]
fn each_step_of_the_model_has_its_place() {
    let placed: String = PLACES
        .iter()
        .flat_map(|place| place.steps)
        .map(|(step, _)| format!("{step};"))
        .collect();
    let sources = [
        ("dispatcher", include_str!("../src/dispatcher.rs")),
        ("worker", include_str!("../src/worker.rs")),
        ("finalizer", include_str!("../src/finalizer.rs")),
    ];
    // What Lambda and the queues do, not the code.
    let outside = ["dispatcher::At::Done", "worker::At::Answer"];
    for (module, source) in sources {
        let begin = source.find("pub enum At {").unwrap();
        let body = &source[begin..begin + source[begin..].find("\n}").unwrap()];
        for line in body
            .lines()
            .filter(|line| line.starts_with("    ") && !line.starts_with("     "))
        {
            let name: String = line
                .trim()
                .chars()
                .take_while(|c| c.is_alphanumeric())
                .collect();
            let step = format!("{module}::At::{name}");
            if !name.is_empty() && !outside.contains(&step.as_str()) {
                assert!(
                    placed.contains(&format!("{step};")),
                    "{step} has no place in the code"
                );
            }
        }
    }
}
