//! The documents say what is: their commands are run somewhere, their links lead somewhere, and what the template has is
//! described, no more and no less.
#![allow(clippy::unwrap_used, clippy::expect_used, clippy::panic)]

use std::{
    collections::{BTreeMap, BTreeSet},
    fs,
    io::{BufRead as _, BufReader},
    path::{Path, PathBuf},
    process::{Command, Stdio},
};

use serde_json::Value;
use soxauto_cloud::telemetry::metrics;
use soxauto_domain::Code;
use soxauto_e2e::{programs, soxauto};

/// Where a command of the documents is run: `with` stands in the file `at`, or the row is wrong.
struct Run {
    command: &'static str,
    at: &'static str,
    with: &'static str,
}

/// Every command that is not marked as needing an account begins like one of these.
const RUNS: &[Run] = &[
    Run {
        command: "cargo run --release -- local run --cutoff 2024-05-01",
        at: ".ci/run",
        with: "cargo run --release -- local run --cutoff 2024-05-01\n",
    },
    Run {
        command: "cargo run --release -- local run --cutoff 2024-05-01 --rows 20000 --defect duplicate-key",
        at: ".ci/run",
        with: "cargo run --release -- local run --cutoff 2024-05-01 --rows 20000 --defect duplicate-key",
    },
    Run {
        command: "cargo run --release -- verify out/evidence/C-PG-1/2024-05-01/r1 --public-key out/signing-key.pem",
        at: ".ci/run",
        with: "cargo run --release -- verify out/evidence/C-PG-1/2024-05-01/r1 --public-key out/signing-key.pem\n",
    },
    Run {
        command: "cargo run --release -- local up",
        at: "tests/tests/documents.rs",
        with: "[\"local\", \"up\", \"--rows\"",
    },
    Run {
        command: "cargo run --release -- local nav-sql --rows 2000",
        at: "tests/tests/documents.rs",
        with: "soxauto(&[\"local\", \"nav-sql\"",
    },
    Run {
        command: "cargo run --release -- catalog check",
        at: ".ci/run",
        with: "cargo run --release -- catalog check",
    },
    Run {
        command: "cargo run --release -- catalog show IPE_07 --cutoff 2024-05-01",
        at: "cli/src/catalog/tests.rs",
        with: "&[\"show\", \"IPE_07\", \"--cutoff\", \"2024-05-01\"]",
    },
    Run {
        command: "cargo test --workspace",
        at: ".ci/run",
        with: "cargo test --workspace",
    },
    // Of CONTRIBUTING.md. A single crate's tests are run with all the others.
    Run {
        command: "cargo test -p soxauto-tsql",
        at: ".ci/run",
        with: "cargo test --workspace",
    },
    Run {
        command: "cargo fmt --all",
        at: ".ci/run",
        with: "cargo fmt --all --check",
    },
    Run {
        command: "cargo clippy --workspace --all-targets",
        at: ".ci/run",
        with: "cargo clippy --workspace --all-targets",
    },
    Run {
        command: "cargo run -- catalog check",
        at: ".ci/run",
        with: "cargo run --release -- catalog check",
    },
    Run {
        command: "cargo run -- catalog show IPE_nn --cutoff 2024-05-01",
        at: "cli/src/catalog/tests.rs",
        with: "&[\"show\", \"IPE_07\", \"--cutoff\", \"2024-05-01\"]",
    },
    Run {
        command: "cargo run -- catalog schema --write docs",
        at: "cli/src/catalog/tests.rs",
        with: "&[\"schema\", \"--write\"",
    },
    Run {
        command: "cargo run --release -- local run --ipe IPE_nn",
        at: "tests/tests/defects.rs",
        with: "&[\"--ipe\", \"CR_05\"]",
    },
    Run {
        command: "SOXAUTO_WRITE_DOCS=1 cargo test -p soxauto-domain --test errors_md",
        at: "shared/domain/tests/errors_md.rs",
        with: "SOXAUTO_WRITE_DOCS",
    },
    Run {
        command: "scripts/check-template",
        at: ".ci/run",
        with: "scripts/check-template\n",
    },
    Run {
        command: "sam validate --lint",
        at: "scripts/check-template",
        with: "sam validate --lint",
    },
    Run {
        command: "sam build",
        at: ".github/workflows/deploy.yml",
        with: "sam build",
    },
    Run {
        command: "scripts/sam build",
        at: ".github/workflows/ci.yml",
        with: "- run: scripts/sam build\n",
    },
    Run {
        command: "scripts/sam build --parameter-overrides Architecture=x86_64",
        at: ".github/workflows/ci.yml",
        with: "- run: scripts/sam build --parameter-overrides Architecture=x86_64\n",
    },
    Run {
        command: "scripts/measure-functions",
        at: ".github/workflows/ci.yml",
        with: "- run: scripts/measure-functions\n",
    },
];

/// What the line after a block says when no test runs it.
const MARKS: [&str; 5] = [
    "(run whole by `tests/tests/evidence/by_hand.rs`)",
    "(needs an AWS account)",
    "(needs cargo fuzz)",
    "(needs a quiet machine, and half an hour)",
    "(needs an AWS account, or the stack of `soxauto local up`)",
];

#[test]
fn every_command_is_run_somewhere_or_needs_an_account() {
    let mut used = BTreeSet::new();
    let mut unknown = Vec::new();
    for document in documents_with_commands() {
        for block in blocks(&document) {
            assert!(
                !matches!(
                    block.language.as_str(),
                    "bash" | "shell" | "console" | "shell-session"
                ),
                "{}:{}: commands stand in ```sh, so that they are looked at",
                document.display(),
                block.line
            );
            if block.language != "sh" || MARKS.contains(&block.after.as_str()) {
                continue;
            }
            assert!(
                !block.after.starts_with("(needs") && !block.after.starts_with("(run"),
                "{}:{}: {:?} is not one of {MARKS:?}",
                document.display(),
                block.line,
                block.after
            );
            for command in commands(&block.text) {
                known(&command, &mut used, &mut unknown, &document, block.line);
            }
        }
    }
    // CONTRIBUTING.md has its commands in the text and in a table.
    let contributing = root().join("CONTRIBUTING.md");
    for (line, span) in code_spans(&fs::read_to_string(&contributing).unwrap()) {
        if ["cargo ", "SOXAUTO_", "scripts/"]
            .iter()
            .any(|program| span.starts_with(program))
        {
            known(&span, &mut used, &mut unknown, &contributing, line);
        }
    }
    assert!(
        unknown.is_empty(),
        "neither run by a test nor marked:\n{}",
        unknown.join("\n")
    );
    for run in RUNS {
        assert!(
            used.contains(run.command),
            "no document has `{}`",
            run.command
        );
        assert!(
            read(run.at).contains(run.with),
            "{} does not run `{}`",
            run.at,
            run.command
        );
    }
}

/// Finds the row of a command; one without is unknown.
fn known(
    command: &str,
    used: &mut BTreeSet<&'static str>,
    unknown: &mut Vec<String>,
    document: &Path,
    line: usize,
) {
    let best = RUNS
        .iter()
        .filter(|run| begins(command, run.command))
        .max_by_key(|run| run.command.len());
    match best {
        Some(run) => {
            used.insert(run.command);
        }
        None => unknown.push(format!("{}:{line}: {command}", document.display())),
    }
}

/// The code spans of a text outside of its blocks, with their lines from 1.
fn code_spans(text: &str) -> Vec<(usize, String)> {
    let mut spans = Vec::new();
    let mut in_block = false;
    for (i, line) in text.lines().enumerate() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        } else if !in_block {
            let odd = line.split('`').skip(1).step_by(2);
            spans.extend(odd.map(|span| (i + 1, span.to_owned())));
        }
    }
    spans
}

#[test]
fn every_link_leads_somewhere() {
    let mut broken = Vec::new();
    for document in all_documents() {
        let folder = document.parent().unwrap();
        for target in links(&fs::read_to_string(&document).unwrap()) {
            if target.contains("://") || target.starts_with("mailto:") {
                continue;
            }
            let (path, anchor) = target.split_once('#').unwrap_or((&target, ""));
            let file = if path.is_empty() {
                document.clone()
            } else {
                folder.join(path)
            };
            let ok = file.exists()
                && (anchor.is_empty()
                    || file.extension().is_none_or(|e| e != "md")
                    || anchors(&fs::read_to_string(&file).unwrap()).contains(anchor));
            if !ok {
                broken.push(format!("{}: {target}", document.display()));
            }
        }
    }
    assert!(broken.is_empty(), "{}", broken.join("\n"));
}

#[test]
fn every_alarm_has_its_section_in_the_runbook() {
    let alarms = resources_of_type(&["AWS::CloudWatch::Alarm", "AWS::CloudWatch::CompositeAlarm"]);
    assert!(alarms.len() > 10, "{alarms:?}");
    let sections: BTreeMap<String, String> = sections(&read("docs/RUNBOOK.md"), "### ")
        .into_iter()
        .filter(|(title, _)| title.ends_with("Alarm"))
        .collect();
    let described: BTreeSet<String> = sections.keys().cloned().collect();
    assert_eq!(described, alarms, "docs/RUNBOOK.md and template.yaml");
    for (alarm, text) in &sections {
        for part in ["**Means:**", "**Look at:**", "**Do:**"] {
            assert!(text.contains(part), "{alarm} has no {part}");
        }
    }
}

#[test]
fn every_error_code_has_its_place_in_the_decision_tree() {
    let runbook = read("docs/RUNBOOK.md");
    let tree = &sections(&runbook, "## ")["Decision tree"];
    let missing: Vec<&str> = Code::ALL
        .iter()
        .map(|code| code.as_str())
        .filter(|code| !tree.contains(&format!("`{code}`")))
        .collect();
    assert!(missing.is_empty(), "{missing:?}");
}

#[test]
fn every_variable_of_the_functions_is_described() {
    let template = variables(&read("template.yaml"));
    assert!(template.len() > 10, "{template:?}");
    let read_by_functions: BTreeSet<String> = ["dispatcher", "worker", "finalizer"]
        .iter()
        .flat_map(|name| variables(&read(&format!("functions/{name}/src/context.rs"))))
        .collect();
    assert_eq!(
        template, read_by_functions,
        "template.yaml and what the functions read"
    );
    let develop = sections(&read("docs/DEVELOP.md"), "## ");
    let described = variables(&develop["The variables of the functions"]);
    assert_eq!(template, described, "template.yaml and docs/DEVELOP.md");
    let sources: String = files_under("local", "rs")
        .into_iter()
        .chain(files_under("shared", "rs"))
        .chain(files_under("fuzz/targets", "rs"))
        .chain(files_under("tests", "rs"))
        .chain(files_under("tests", "py"))
        .map(|file| fs::read_to_string(file).unwrap())
        .collect();
    let of_tools = variables(&develop["The variables of tools and tests"]);
    assert!(!of_tools.is_empty());
    for variable in of_tools {
        assert!(sources.contains(&variable), "nothing reads {variable}");
    }
}

#[test]
fn every_parameter_is_described() {
    let template = read("template.yaml");
    let parameters = template
        .split_once("\nParameters:\n")
        .unwrap()
        .1
        .lines()
        .take_while(|line| line.is_empty() || line.starts_with(' '))
        .filter_map(|line| name_at_two_spaces(line).map(str::to_owned))
        .collect::<Vec<_>>();
    assert!(parameters.len() > 10, "{parameters:?}");
    let deploy = read("docs/DEPLOY.md");
    let table = &sections(&deploy, "## ")["3. The parameters"];
    for parameter in parameters {
        let named =
            table.contains(&format!("`{parameter}`")) || table.contains(&format!("`{parameter}="));
        assert!(named, "docs/DEPLOY.md does not say when to set {parameter}");
    }
}

/// An alarm or a graph over a metric that nobody emits stays silent for ever.
#[test]
fn every_metric_of_the_template_is_emitted() {
    let known: BTreeSet<&str> = metrics::ALL.iter().map(|metric| metric.name).collect();
    let template = read("template.yaml");
    let mut watched = BTreeSet::new();
    for resource in template.split("\n\n") {
        if resource.contains(&format!("Namespace: {}\n", metrics::NAMESPACE)) {
            let name = resource
                .lines()
                .find_map(|line| line.trim().strip_prefix("MetricName: "));
            watched.insert(name.unwrap().to_owned());
        }
    }
    assert!(watched.len() >= 3, "{watched:?}");
    for name in watched {
        assert!(known.contains(name.as_str()), "nothing emits {name}");
    }
}

#[test]
fn workflows_are_pinned_and_have_no_rights_by_default() {
    for name in ["ci.yml", "deploy.yml"] {
        let workflow = read(&format!(".github/workflows/{name}"));
        assert!(workflow.contains("\npermissions: {}\n"), "{name}");
        assert!(
            !workflow.contains("secrets."),
            "{name}: no long-lived key is needed"
        );
        let uses: Vec<&str> = workflow
            .lines()
            .filter_map(|line| line.trim().trim_start_matches("- ").strip_prefix("uses: "))
            .collect();
        assert!(!uses.is_empty());
        for action in uses {
            let (_, reference) = action.split_once('@').unwrap();
            let (commit, version) = reference
                .split_once(" # v")
                .unwrap_or_else(|| panic!("{name}: {action} has no version in a comment"));
            assert!(
                commit.len() == 40 && commit.chars().all(|c| c.is_ascii_hexdigit()),
                "{name}: {action} is not pinned by its commit"
            );
            assert!(
                version.starts_with(|c: char| c.is_ascii_digit()),
                "{action}"
            );
        }
    }
    assert!(read(".github/workflows/ci.yml").contains("run: .ci/run"));
}

/// Alarms and documents send people to commands at night: each must exist, with the options that are named.
#[test]
fn every_command_of_the_tool_exists() {
    let mut named: BTreeSet<Vec<String>> = BTreeSet::new();
    for document in documents_with_commands() {
        for block in blocks(&document).iter().filter(|b| b.language == "sh") {
            for command in commands(&block.text) {
                let words = command
                    .strip_prefix("soxauto ")
                    .or_else(|| command.strip_prefix("cargo run --release -- "));
                named.extend(words.map(|words| words.split(' ').map(str::to_owned).collect()));
            }
        }
        named.extend(in_code(&fs::read_to_string(&document).unwrap()));
    }
    named.extend(in_code(&read("template.yaml")));
    let replay = vec!["replay".to_owned()];
    assert!(named.contains(&replay), "{named:?}");
    for words in named {
        let is_word = |word: &&String| word.chars().all(|c| c.is_ascii_lowercase() || c == '-');
        let commands: Vec<&str> = words
            .iter()
            .take_while(|word| !word.starts_with('-') && is_word(word))
            .map(String::as_str)
            .collect();
        let help = soxauto(&[&commands[..], &["--help"]].concat());
        let text = String::from_utf8(help.stdout).unwrap();
        assert!(
            help.status.success(),
            "there is no command `soxauto {}`",
            commands.join(" ")
        );
        for option in words.iter().filter(|word| word.starts_with("--")) {
            let name = option.split('=').next().unwrap();
            assert!(
                text.contains(name),
                "`soxauto {}` has no {name}",
                commands.join(" ")
            );
        }
    }
}

/// The commands of the tool in code spans: `soxauto local up`.
fn in_code(text: &str) -> Vec<Vec<String>> {
    text.lines()
        .flat_map(|line| line.split('`').skip(1).step_by(2))
        .filter_map(|span| span.strip_prefix("soxauto "))
        .map(|words| words.split_whitespace().map(str::to_owned).collect())
        .collect()
}

#[test]
fn local_up_says_where_everything_is_and_stays_until_ctrl_c() {
    let mut up = Command::new(programs().join("soxauto"))
        .args(["local", "up", "--rows", "2000", "--format", "json"])
        .current_dir(root())
        .env_remove("CARGO")
        .stdout(Stdio::piped())
        .stderr(Stdio::null())
        .spawn()
        .unwrap();
    let mut line = String::new();
    BufReader::new(up.stdout.take().unwrap())
        .read_line(&mut line)
        .unwrap();
    let printed: Value = serde_json::from_str(&line).unwrap_or_else(|_| panic!("{line:?}"));
    // What docs/DEVELOP.md and docs/RUNBOOK.md take from it.
    for pointer in [
        "/environment/AWS_ENDPOINT_URL",
        "/environment/AWS_ENDPOINT_URL_REDSHIFT_DATA",
        "/evidence_bucket",
        "/jobs_queue",
    ] {
        assert!(
            printed.pointer(pointer).is_some_and(Value::is_string),
            "{pointer} is missing in {line}"
        );
    }
    assert_eq!(
        printed["functions"]["dispatcher"],
        "soxauto-local-dispatcher"
    );
    assert!(up.try_wait().unwrap().is_none(), "it ended by itself");
    // The other commands find it by themselves; nothing has run yet, which is no success.
    let status = soxauto(&["status", "--format", "json"]);
    let seen: Value = serde_json::from_slice(&status.stdout)
        .unwrap_or_else(|_| panic!("{}", String::from_utf8_lossy(&status.stderr)));
    assert_eq!(
        (
            status.status.code(),
            &seen["stack"],
            &seen["next"][0]["command"]
        ),
        (
            Some(1),
            &Value::from("soxauto-local"),
            &Value::from("soxauto run")
        )
    );
    let interrupted = Command::new("kill")
        .args(["-INT", &up.id().to_string()])
        .status()
        .unwrap();
    assert!(interrupted.success());
    assert_eq!(up.wait().unwrap().code(), Some(0));
}

#[test]
fn nav_sql_prints_a_script_for_sql_server() {
    let output = soxauto(&["local", "nav-sql", "--rows", "2000"]);
    assert!(output.status.success());
    let script = String::from_utf8(output.stdout).unwrap();
    for text in ["CREATE DATABASE", "[AIG_Nav_DW]", "INSERT INTO"] {
        assert!(script.contains(text), "no {text} in the script");
    }
}

/// A fenced block of a document.
struct Block {
    language: String,
    /// Line of the opening fence, from 1.
    line: usize,
    text: String,
    /// The first line with text after the block.
    after: String,
}

fn blocks(document: &Path) -> Vec<Block> {
    let text = fs::read_to_string(document).unwrap();
    let lines: Vec<&str> = text.lines().collect();
    let mut blocks = Vec::new();
    let mut i = 0;
    while i < lines.len() {
        let Some(language) = lines[i].trim().strip_prefix("```") else {
            i += 1;
            continue;
        };
        let start = i;
        i += 1;
        let mut inside = Vec::new();
        while i < lines.len() && lines[i].trim() != "```" {
            inside.push(lines[i].trim_start());
            i += 1;
        }
        assert!(
            i < lines.len(),
            "{}:{}: a block without end",
            document.display(),
            start + 1
        );
        i += 1;
        let after = lines[i..].iter().map(|l| l.trim()).find(|l| !l.is_empty());
        blocks.push(Block {
            language: language.to_owned(),
            line: start + 1,
            text: inside.join("\n"),
            after: after.unwrap_or_default().to_owned(),
        });
    }
    blocks
}

/// The commands of a block: lines that go on are joined, comments left out.
fn commands(text: &str) -> Vec<String> {
    text.replace("\\\n", " ")
        .lines()
        .map(|line| line.split(" #").next().unwrap_or_default().trim())
        .filter(|line| !line.is_empty() && !line.starts_with('#'))
        .map(|line| line.split_whitespace().collect::<Vec<_>>().join(" "))
        .collect()
}

fn begins(command: &str, prefix: &str) -> bool {
    command
        .strip_prefix(prefix)
        .is_some_and(|rest| rest.is_empty() || rest.starts_with(' '))
}

/// The targets of Markdown links outside of blocks and code spans.
fn links(text: &str) -> Vec<String> {
    let mut targets = Vec::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        if in_block {
            continue;
        }
        // Every second piece is a code span; a link's target is never in one.
        let prose: String = line.split('`').step_by(2).collect::<Vec<_>>().join("`");
        for piece in prose.split("](").skip(1) {
            if let Some((target, _)) = piece.split_once(')') {
                targets.push(target.to_owned());
            }
        }
    }
    targets
}

/// The anchors that GitHub gives to a document's headings.
fn anchors(text: &str) -> BTreeSet<String> {
    let mut found = BTreeSet::new();
    let mut in_block = false;
    for line in text.lines() {
        if line.trim_start().starts_with("```") {
            in_block = !in_block;
        }
        let title = line.trim_start_matches('#');
        if in_block || title.len() == line.len() || !title.starts_with(' ') {
            continue;
        }
        let slug: String = title
            .trim()
            .to_lowercase()
            .chars()
            .filter_map(|c| match c {
                ' ' => Some('-'),
                c if c.is_alphanumeric() || c == '-' || c == '_' => Some(c),
                _ => None,
            })
            .collect();
        found.insert(slug);
    }
    found
}

/// The sections below headings of one level, up to the next heading of the same or a higher level.
fn sections(text: &str, mark: &str) -> BTreeMap<String, String> {
    let level = mark.trim().len();
    let mut found: BTreeMap<String, String> = BTreeMap::new();
    let mut current: Option<String> = None;
    for line in text.lines() {
        let hashes = line.len() - line.trim_start_matches('#').len();
        if hashes > 0 && hashes <= level && line[hashes..].starts_with(' ') {
            current = (hashes == level).then(|| line[level..].trim().to_owned());
            if let Some(title) = &current {
                found.insert(title.clone(), String::new());
            }
        } else if let Some(title) = &current {
            let section = found.get_mut(title).unwrap();
            section.push_str(line);
            section.push('\n');
        }
    }
    found
}

/// Logical names of the template's resources of these types.
fn resources_of_type(types: &[&str]) -> BTreeSet<String> {
    let template = read("template.yaml");
    let mut found = BTreeSet::new();
    let mut name = None;
    for line in template.lines() {
        if let Some(next) = name_at_two_spaces(line) {
            name = Some(next.to_owned());
        }
        if let (Some(name), Some(of)) = (&name, line.strip_prefix("    Type: "))
            && types.contains(&of.trim())
        {
            found.insert(name.clone());
        }
    }
    found
}

/// `  Name:` at the second level of the template.
fn name_at_two_spaces(line: &str) -> Option<&str> {
    let name = line.strip_prefix("  ")?.trim_end().strip_suffix(':')?;
    name.chars()
        .all(|c| c.is_ascii_alphanumeric())
        .then_some(name)
}

/// The names of our environment variables in a text.
fn variables(text: &str) -> BTreeSet<String> {
    text.match_indices("SOXAUTO_")
        .map(|(at, _)| {
            text[at..]
                .chars()
                .take_while(|c| c.is_ascii_uppercase() || *c == '_')
                .collect()
        })
        .collect()
}

fn root() -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR"))
        .parent()
        .unwrap()
        .to_owned()
}

fn read(path: &str) -> String {
    fs::read_to_string(root().join(path)).unwrap_or_else(|e| panic!("{path}: {e}"))
}

fn markdown_in(folder: &str) -> Vec<PathBuf> {
    let mut files: Vec<PathBuf> = fs::read_dir(root().join(folder))
        .unwrap()
        .map(|entry| entry.unwrap().path())
        .filter(|path| path.extension().is_some_and(|e| e == "md"))
        .collect();
    files.sort();
    files
}

fn documents_with_commands() -> Vec<PathBuf> {
    let mut files = markdown_in("docs");
    files.push(root().join("README.md"));
    files
}

fn all_documents() -> Vec<PathBuf> {
    [
        "",
        "docs",
        "docs/decisions",
        "local",
        "local/clients",
        "local/python",
    ]
    .iter()
    .flat_map(|folder| markdown_in(folder))
    .collect()
}

fn files_under(folder: &str, extension: &str) -> Vec<PathBuf> {
    let mut found = Vec::new();
    let mut folders = vec![root().join(folder)];
    while let Some(next) = folders.pop() {
        for entry in fs::read_dir(next).unwrap() {
            let path = entry.unwrap().path();
            if path.is_dir() {
                folders.push(path);
            } else if path.extension().is_some_and(|e| e == extension)
                && path.file_name().is_some_and(|name| name != "documents.rs")
            {
                found.push(path);
            }
        }
    }
    found
}
